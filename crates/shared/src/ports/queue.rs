//! The queue, and what stands beside it.

pub mod backlog;
pub mod dead_letters;
pub mod fleet;
pub mod host_pauses;
pub mod job_queue;
pub mod leases;
