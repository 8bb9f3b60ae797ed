//! What a job asks for.

use crate::text::UnknownWord;
use crate::text::word::words;

/// What a job asks for.
///
/// Workers of the version before read a job without looking at its kind, so a job of another kind than [`Self::CheckAndCopy`] is
/// to be published with a [`Job::v`](super::Job::v) above 1: they put it back, as those of this version do for its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// See that the target's tag is equal to the source, and copy if it is not. A job that says nothing is of this kind.
    #[default]
    CheckAndCopy,
    /// What another version calls so. It is not worked here, but left to workers that know it.
    Other(UnknownWord),
}

words!(JobKind {
    CheckAndCopy = "check_and_copy",
});

impl JobKind {
    /// Whether it goes without saying.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
