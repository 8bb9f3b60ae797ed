//! How much there is to do, and whether anybody does it.

use std::time::Duration;

use async_trait::async_trait;

use crate::ports::QueueError;

/// What stands in a lane, or where a queue keeps jobs apart that are not due yet or were delivered too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLength {
    /// Its name.
    pub lane: &'static str,
    /// Jobs that are stored, those in hand included.
    pub stored: u64,
    /// Jobs that were delivered and are not acknowledged.
    pub in_hand: u64,
}

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

/// What stands in a queue, as far as a role sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Length {
    /// What stands in each of its lanes, the most urgent one first, then what it keeps apart: `held`, jobs that are not due yet,
    /// and `poison`, those that were delivered too often.
    pub jobs: Vec<LaneLength>,
    /// Dead letters, where it can be said how many there are.
    pub dead_letters: Option<u64>,
    /// How full each store is that the role uses.
    pub stores: Vec<Fill>,
    /// For how long a report is kept, roughly, where that can be said.
    pub history: Option<Duration>,
}

/// Tells how much there is to do.
#[async_trait]
pub trait Backlog: Send + Sync {
    /// How much there is, as of some seconds ago at most. An error if the queue cannot be reached, or if something that the
    /// role needs is not there.
    async fn length(&self) -> Result<Length, QueueError>;

    /// What the role cannot do at this moment although the queue is there, and why, if there is anything.
    fn hindrance(&self) -> Option<String> {
        None
    }

    /// Whether jobs wait in lanes, none is in anybody's hand, and nobody takes one: no worker is running, or none gets
    /// through. Takes a moment.
    async fn is_deserted(&self) -> Result<bool, QueueError>;
}
