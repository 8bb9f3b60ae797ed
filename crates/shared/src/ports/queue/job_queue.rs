//! The queue of jobs: at least once, ordered by nothing.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::ports::QueueError;
use crate::ports::queue::dead_letters::DeadLetter;
use crate::run::RunId;
use crate::run::job::Job;

/// Which line a job stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// By hand and by webhook.
    Now,
    /// Put back, due later.
    Retry,
    /// Whole catalogs.
    Bulk,
}

impl Lane {
    /// All lanes, most urgent first.
    pub const ALL: [Self; 3] = [Self::Now, Self::Retry, Self::Bulk];

    /// Its name in messages, metrics and at servers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Retry => "retry",
            Self::Bulk => "bulk",
        }
    }
}

/// How often a job is delivered before it is poison, unless told otherwise.
pub const DEFAULT_MAX_DELIVER: u64 = 5;

/// Whether a publish stored its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It did.
    New,
    /// A message with this id was stored before, inside the dedupe window, and this one was dropped.
    Duplicate,
}

/// Publishes and delivers jobs. A delivery that is not settled within the visibility time comes again.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Stores `job` in `lane`, and returns only then. Its [`Job::message_id`] makes repeats harmless. A job with a
    /// `not_before` is not delivered before that time. Waits while lane bulk is full.
    async fn publish(&self, lane: Lane, job: &Job) -> Result<Stored, QueueError>;

    /// Up to `max` jobs from `lanes`, the first lane first; waits up to `wait` for the first job. Messages that cannot
    /// be decoded become dead letters and are not delivered.
    async fn pull(
        &self,
        lanes: &[Lane],
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError>;

    /// Jobs that were delivered too often without being settled: they are delivered to here alone, until they are settled.
    /// Waits up to `wait` for the first.
    async fn poisoned(&self, wait: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// Drops the undelivered jobs of a run, and returns how many there were.
    async fn purge(&self, run: &RunId) -> Result<u64, QueueError>;

    /// How long a delivery may be unsettled before its job comes again, in the lane that waits least.
    async fn visibility(&self) -> Result<Duration, QueueError>;
}

/// One delivery of a job.
pub struct Delivery {
    /// The job.
    pub job: Job,
    /// The lane it came from.
    pub lane: Lane,
    /// How often it was delivered, this time included. More than once means that a worker died with it or lost it.
    pub deliveries: u64,
    /// How it is settled. Dropping it unsettled is a crash: the job comes again after the visibility time.
    pub settle: Box<dyn Settle>,
}

/// Settles one delivery. To settle it twice is harmless.
#[async_trait]
pub trait Settle: Send + Sync {
    /// The job is done.
    async fn done(&self) -> Result<(), QueueError>;

    /// Stores `successor` in lane retry, then settles this delivery. A crash in between leaves both, which is harmless.
    async fn requeue(&self, successor: &Job) -> Result<(), QueueError>;

    /// Stores a dead letter. The delivery is still to be settled, once the job's result is told: a run that has all results
    /// drops what is left of its jobs.
    async fn bury(&self, letter: DeadLetter) -> Result<(), QueueError>;

    /// Still at work: the visibility time starts anew.
    async fn in_progress(&self) -> Result<(), QueueError>;
}
