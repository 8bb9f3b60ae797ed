//! What every queue offers, and how much it holds.

use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::ports::dead_letters::DeadLetters;
use image_sync_shared::ports::host_pauses::HostPauses;
use image_sync_shared::ports::job_queue::JobQueue;
use image_sync_shared::ports::leases::Leases;
use image_sync_shared::ports::run_control::RunControl;
use image_sync_shared::ports::run_log::RunLog;

/// The ports of one queue, so that nobody who uses it knows which it is.
#[derive(Clone)]
pub struct Ports {
    /// Jobs.
    pub jobs: Arc<dyn JobQueue>,
    /// Jobs that were given up.
    pub letters: Arc<dyn DeadLetters>,
    /// The logs of runs.
    pub log: Arc<dyn RunLog>,
    /// Which runs are open or cancelled.
    pub runs: Arc<dyn RunControl>,
    /// Who may write a target.
    pub leases: Arc<dyn Leases>,
    /// Hosts to be left alone.
    pub pauses: Arc<dyn HostPauses>,
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
