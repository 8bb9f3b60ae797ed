//! Settling a delivery.
//!
//! As with JetStream, settling is not owning: whoever was slow and settles what was delivered to another by then removes
//! it, and whoever settles what is gone does nothing.

use std::sync::Arc;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::ports::queue::job_queue::Settle;
use image_sync_shared::run::job::Job;

use super::Jobs;

/// A job in the hands of a worker. Dropped, it leaves the job where it is, to be visible again in time.
pub(in crate::in_process) struct InProcessSettle {
    jobs: Arc<Jobs>,
    number: u64,
}

impl InProcessSettle {
    pub(in crate::in_process) fn new(jobs: Arc<Jobs>, number: u64) -> Self {
        Self { jobs, number }
    }
}

#[async_trait]
impl Settle for InProcessSettle {
    async fn done(&self) -> Result<(), QueueError> {
        self.jobs.remove(self.number);
        Ok(())
    }

    async fn requeue(&self, successor: &Job) -> Result<(), QueueError> {
        self.jobs.store_successor(successor)?;
        self.jobs.remove(self.number);
        Ok(())
    }

    async fn bury(&self, letter: DeadLetter) -> Result<(), QueueError> {
        self.jobs.bury(letter);
        Ok(())
    }

    async fn in_progress(&self) -> Result<(), QueueError> {
        self.jobs.prolong(self.number);
        Ok(())
    }
}
