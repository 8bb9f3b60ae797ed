//! How much there is to do in this process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::backlog::{Backlog, Length};
use tokio::time::sleep;

use super::Jobs;
use crate::in_process::dead_letters::InProcessDeadLetters;

/// Workers that are there take a job at once.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Tells how much there is to do.
pub(in crate::in_process) struct InProcessBacklog {
    jobs: Arc<Jobs>,
    letters: Arc<InProcessDeadLetters>,
}

impl InProcessBacklog {
    pub(in crate::in_process) fn new(jobs: Arc<Jobs>, letters: Arc<InProcessDeadLetters>) -> Self {
        Self { jobs, letters }
    }
}

#[async_trait]
impl Backlog for InProcessBacklog {
    async fn length(&self) -> Result<Length, QueueError> {
        Ok(Length {
            jobs: self.jobs.length(),
            dead_letters: Some(self.letters.count()),
            ..Length::default()
        })
    }

    async fn is_deserted(&self) -> Result<bool, QueueError> {
        let taken = self.jobs.taken();
        if !self.jobs.stand_still() {
            return Ok(false);
        }
        sleep(BETWEEN_LOOKS).await;
        Ok(self.jobs.stand_still() && self.jobs.taken() == taken)
    }
}
