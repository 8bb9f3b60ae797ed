//! What a worker may be told.

use std::time::Duration;

use image_sync_shared::retry::RetryPolicy;

use crate::decide::admission::Admission;
use crate::decide::settlement::SettlementPolicy;

/// How a worker works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// Its name, as results and leases tell it.
    pub name: String,
    /// Whose jobs it works.
    pub admission: Admission,
    /// Jobs worked at the same time, those of `reserved_for_now` included.
    pub slots: usize,
    /// Slots that only lane now may use; at least one slot is left to all lanes.
    pub reserved_for_now: usize,
    /// Hosts that targets are at: none of them may have all slots while there are others.
    pub target_hosts: usize,
    /// Blobs of one image that are asked for or sent at the same time.
    pub blob_concurrency: usize,
    /// Attempts at a job, and the waits between them.
    pub retry: RetryPolicy,
    /// The time between two heartbeats: of the delivery, and of the lease.
    pub heartbeat: Duration,
    /// How long one pull waits for a first job.
    pub pull_wait: Duration,
    /// How long jobs in flight may still take once the worker is told to stop.
    pub grace: Duration,
    /// The shortest time that a job is put back for when another worker holds its target; spread up to twice as long.
    pub busy_wait: Duration,
    /// How long a host that answered 429 is left alone at most, whatever it or another worker says.
    pub max_pause: Duration,
    /// Over how long the jobs of a paused host are spread once its pause is over.
    pub pause_spread: Duration,
}

impl WorkerSettings {
    /// A worker called `name` that works `slots` jobs of its own process at the same time.
    #[must_use]
    pub fn new(name: impl Into<String>, slots: usize) -> Self {
        Self {
            name: name.into(),
            admission: Admission::default(),
            slots,
            reserved_for_now: 0,
            target_hosts: 1,
            blob_concurrency: 4,
            retry: RetryPolicy::default(),
            heartbeat: Duration::from_secs(15),
            pull_wait: Duration::from_secs(5),
            grace: Duration::from_secs(20),
            busy_wait: Duration::from_secs(15),
            max_pause: Duration::from_secs(15 * 60),
            pause_spread: Duration::from_secs(2),
        }
    }

    /// How it settles jobs.
    pub(crate) fn settlement_policy(&self) -> SettlementPolicy<'_> {
        SettlementPolicy {
            worker: &self.name,
            retry: self.retry,
            busy_wait: self.busy_wait,
            max_pause: self.max_pause,
            pause_spread: self.pause_spread,
        }
    }

    /// Slots that all lanes may use.
    pub(crate) fn common_slots(&self) -> usize {
        self.slots.saturating_sub(self.reserved_for_now).max(1)
    }
}
