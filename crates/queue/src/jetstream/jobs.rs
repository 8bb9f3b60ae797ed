//! The jobs: the port for them, how they are fetched, settled, delayed and purged, and what becomes of those that cannot be
//! worked.

mod backlog;
mod delayed;
mod envelope;
mod fetch;
mod job_queue;
mod job_store;
mod poison;
mod poll_backoff;
mod purge;
mod settle;
pub(super) mod stalled;
mod unparsable;

pub use backlog::Backlog;
pub(super) use job_queue::{JetStreamJobQueue, Tasks};
pub(super) use job_store::Jobs;
