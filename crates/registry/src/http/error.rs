//! A failure before it is known what it means for which image.

use std::fmt;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::text;

/// What went wrong, and of which kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Its kind.
    pub(crate) class: FailureClass,
    /// In words; never a secret.
    pub(crate) answer: String,
}

impl Trouble {
    pub(crate) fn new(class: FailureClass, answer: impl fmt::Display) -> Self {
        Self {
            class,
            answer: text::bounded(answer),
        }
    }

    /// The failure it is on `side` at `step` about `subject`.
    pub(crate) fn at(self, side: Side, step: Step, subject: impl fmt::Display) -> Failure {
        Failure::new(side, step, subject, self.class, self.answer)
    }
}
