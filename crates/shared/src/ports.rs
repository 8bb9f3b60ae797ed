//! The traits to the outside. Their implementations are in crates/queue, crates/registry, crates/worker and crates/cli.

pub mod clock;
pub mod creation_times;
pub mod memo;
pub mod queue;
pub mod runs;
pub mod telemetry;
pub mod transfer;

use thiserror::Error;

/// Why a queue, or a store beside it, could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueueError {
    /// It cannot be reached, or did not answer.
    #[error("the queue cannot be reached: {0}")]
    Unreachable(String),
    /// It was reached and refused.
    #[error("the queue refused: {0}")]
    Refused(String),
    /// It was reached and has no room.
    #[error("the queue is full: {0}")]
    Full(String),
    /// It is closed, as at the end of a run.
    #[error("the queue is closed")]
    Closed,
}
