//! Which runs there are, and how they ended.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::ports::QueueError;
use crate::run::RunId;
use crate::run::report::ReportHead;
use crate::text;

/// A run, as those see it who do not read its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// The run.
    pub run: RunId,
    /// Its catalog.
    #[serde(with = "text::field")]
    pub catalog: String,
    /// When it is given up.
    #[serde(with = "time::serde::rfc3339")]
    pub until: OffsetDateTime,
    /// What its report says, once it ended. The report is stored by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<ReportHead>,
}

/// Knows the runs that a [`RunControl`](super::run_control::RunControl) opened.
#[async_trait]
pub trait RunStates: Send + Sync {
    /// A run, if it was ever opened.
    async fn get(&self, run: &RunId) -> Result<Option<RunState>, QueueError>;

    /// Says that the run of `head` ended, and whether this is what counts: of several who say so, the first one does.
    async fn end(&self, head: &ReportHead) -> Result<bool, QueueError>;

    /// Reads all runs there are, and goes on with what changes.
    async fn follow(&self) -> Result<Box<dyn RunStateReader>, QueueError>;
}

/// Reads the states of runs.
#[async_trait]
pub trait RunStateReader: Send {
    /// The next state, or none if there is no further one within `wait`.
    async fn next(&mut self, wait: Duration) -> Result<Option<RunState>, QueueError>;
}
