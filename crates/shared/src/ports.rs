//! The traits to the outside. Their implementations are in crates/queue, crates/registry, crates/worker and crates/cli.

pub mod backlog;
pub mod clock;
pub mod dead_letters;
pub mod host_pauses;
pub mod job_queue;
pub mod known_blobs;
pub mod leases;
pub mod measures;
pub mod memo;
pub mod progress;
pub mod registries;
pub mod reports;
pub mod request_limits;
pub mod run_control;
pub mod run_log;
pub mod run_states;
pub mod single_flight;
pub mod trace_context;

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
