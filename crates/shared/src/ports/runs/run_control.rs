//! Which runs are open, and which were cancelled.

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::ports::QueueError;
use crate::run::RunId;

/// Whether a run may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It may: the catalog is its own until it is closed or `until` passes.
    Opened,
    /// It may not: this run of the same catalog is still open.
    Busy(RunId),
}

/// Opens, cancels and closes runs.
#[async_trait]
pub trait RunControl: Send + Sync {
    /// Opens `run` of `catalog`, unless another run of it is open; the claim ends by itself at `until`.
    async fn open(
        &self,
        catalog: &str,
        run: &RunId,
        until: OffsetDateTime,
    ) -> Result<Opening, QueueError>;

    /// Closes a run, so that another of its catalog may open.
    async fn close(&self, catalog: &str, run: &RunId) -> Result<(), QueueError>;

    /// Marks a run as cancelled: its jobs are not worked any more.
    async fn cancel(&self, run: &RunId) -> Result<(), QueueError>;

    /// Whether a run was cancelled. Answers from memory: it is asked for every job.
    fn is_cancelled(&self, run: &RunId) -> bool;

    /// The same for who asks seldom and works no jobs: a queue that is shared is asked.
    async fn was_cancelled(&self, run: &RunId) -> Result<bool, QueueError>;
}
