//! The role *producer*: runs and their jobs.
//!
//! - [`produce`] opens a run and publishes its jobs,
//! - [`jobs`] makes the job of each image,
//! - [`run_id`] names runs,
//! - [`replay`] puts jobs back that were given up.
//!
//! Queues, logs and clocks are the ports of `image_sync_shared`.

pub mod jobs;
pub mod produce;
pub mod replay;
pub mod run_id;
