//! Settling a delivery.

use std::sync::Arc;

use async_trait::async_trait;
use image_sync_shared::job::Job;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::dead_letters::{DeadLetter, DeadLetters as _};
use image_sync_shared::ports::job_queue::Settle;

use super::job_store::Jobs;
use crate::jetstream::client::Tries;
use crate::jetstream::streams::{Handle, Verdict};

/// A job in the hands of a worker. Dropped, it leaves the job where it is, to come again in time.
pub(super) struct InHand {
    jobs: Arc<Jobs>,
    handle: Handle,
}

impl InHand {
    pub(crate) fn new(jobs: Arc<Jobs>, handle: Handle) -> Self {
        Self { jobs, handle }
    }

    async fn tell(&self, verdict: Verdict, tries: Tries) -> Result<(), QueueError> {
        self.handle
            .tell(&self.jobs.connection, verdict, tries)
            .await
    }
}

#[async_trait]
impl Settle for InHand {
    async fn done(&self) -> Result<(), QueueError> {
        self.tell(Verdict::Done, Tries::WhileAway).await
    }

    async fn requeue(&self, successor: &Job) -> Result<(), QueueError> {
        self.jobs.store_successor(successor).await?;
        self.tell(Verdict::Done, Tries::WhileAway).await
    }

    async fn bury(&self, letter: DeadLetter) -> Result<(), QueueError> {
        self.jobs.letters.put(letter).await
    }

    /// Asked once: the caller gives the next sign of life soon.
    async fn in_progress(&self) -> Result<(), QueueError> {
        self.tell(Verdict::InProgress, Tries::One).await
    }
}
