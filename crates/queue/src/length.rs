//! How much a queue holds, for those who watch it.

/// What stands in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Length {
    /// Jobs that are stored, those in hand included: the name of where they stand, and how many there are.
    pub jobs: Vec<(&'static str, u64)>,
    /// Dead letters, where it can be said how many there are.
    pub dead_letters: Option<u64>,
}
