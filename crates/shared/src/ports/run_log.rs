//! The log of every run: what happened, in the order in which it was stored.

use std::time::Duration;

use async_trait::async_trait;

use crate::ports::QueueError;
use crate::run::{RunEvent, RunId};

/// Appends to and reads the logs of runs.
#[async_trait]
pub trait RunLog: Send + Sync {
    /// Stores an event, and returns only then. A repeat ([`RunEvent::message_id`]) inside the dedupe window is dropped.
    async fn append(&self, run: &RunId, event: &RunEvent) -> Result<(), QueueError>;

    /// Reads the log of a run from its first event on.
    async fn read(&self, run: &RunId) -> Result<Box<dyn RunLogReader>, QueueError>;
}

/// Reads one log from its start.
#[async_trait]
pub trait RunLogReader: Send {
    /// The next event, or none if there is no further one within `wait`. A log has no end: more may come later.
    async fn next(&mut self, wait: Duration) -> Result<Option<RunEvent>, QueueError>;
}
