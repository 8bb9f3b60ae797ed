//! How much a queue holds, for those who watch it.

use std::time::Duration;

/// How full a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Its name: what it holds.
    pub store: &'static str,
    /// What it holds, in bytes.
    pub bytes: u64,
    /// What it may hold, in bytes, if there is a limit.
    pub max_bytes: Option<u64>,
}

/// What stands in a lane, or where jobs wait that are not due yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLength {
    /// Its name.
    pub lane: &'static str,
    /// Jobs that are stored, those in hand included.
    pub stored: u64,
    /// Jobs that were delivered and are not acknowledged, where that is known.
    pub in_hand: Option<u64>,
}

/// What stands in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Length {
    /// What stands in each of its lanes.
    pub jobs: Vec<LaneLength>,
    /// Dead letters, where it can be said how many there are.
    pub dead_letters: Option<u64>,
    /// How full each store is that the role uses.
    pub stores: Vec<Fill>,
    /// For how long a report is kept, roughly, where that can be said.
    pub history: Option<Duration>,
}
