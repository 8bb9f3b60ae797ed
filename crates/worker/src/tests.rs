//! Scenarios: a worker over a queue and registries in memory.

mod fake_registries;
mod run_loop;
mod staged_faults;
mod test_worker;
mod transfer;

use std::time::Duration;

pub(crate) use image_sync_testkit::samples::copy as job;
pub(crate) use staged_faults::Call;
pub(crate) use test_worker::TestWorker;

/// Longer than anything a test waits for.
const FOREVER: Duration = Duration::from_secs(24 * 3600);
