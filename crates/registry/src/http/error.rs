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
    /// The status code of the answer that it is.
    pub(crate) status: Option<u16>,
    /// In words; never a secret.
    pub(crate) answer: String,
}

impl RequestError {
    pub(crate) fn new(class: FailureClass, answer: impl fmt::Display) -> Self {
        Self {
            class,
            status: None,
            answer: text::bounded(answer),
        }
    }

    /// The same error in other words.
    pub(crate) fn told_as(&self, answer: impl fmt::Display) -> Self {
        Self {
            answer: text::bounded(answer),
            ..self.clone()
        }
    }

    /// The failure it is on `side` at `step` about `subject`.
    pub(crate) fn at(self, side: Side, step: Step, subject: impl fmt::Display) -> Failure {
        Failure::new(side, step, subject, self.class, self.answer).with_status(self.status)
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
