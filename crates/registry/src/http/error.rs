//! What goes wrong: with the settings, before anything is contacted, and with a request, before it is known what that means
//! for which image.

use std::fmt;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::text;
use thiserror::Error;

/// What went wrong, and of which kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestError {
    /// Its kind.
    pub(crate) class: FailureClass,
    /// In words; never a secret.
    pub(crate) answer: String,
}

impl RequestError {
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

/// A setting or file that keeps a client from being built; found before anything is contacted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {problem}")]
pub struct SetupError {
    /// The file, variable or key.
    pub(crate) place: String,
    /// What was found there, and what was expected.
    pub(crate) problem: String,
}

impl SetupError {
    pub(crate) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }
}
