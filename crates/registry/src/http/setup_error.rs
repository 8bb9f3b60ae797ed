//! What keeps a client from being built.

use thiserror::Error;

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
