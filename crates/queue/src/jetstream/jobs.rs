//! The jobs: the port for them, how they are fetched, settled, delayed and purged, and what becomes of those that cannot be
//! worked.

mod backlog;
mod delayed;
mod fetch;
mod job_headers;
mod job_queue;
mod job_store;
mod poison;
mod poll_backoff;
mod purge;
mod settle;
mod stalled;
mod unparsable;

pub(super) use backlog::JetStreamBacklog;
pub(super) use job_queue::{BackgroundTasks, JetStreamJobQueue};
pub(super) use job_store::JobStore;
