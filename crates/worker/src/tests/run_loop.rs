//! What becomes of jobs: which are taken, and how they are settled.

mod admission;
mod failures;
mod leases;
mod pauses;
mod queue;
mod shutdown;
mod targets;
