//! Settling a delivery.

use std::sync::Arc;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::dead_letters::{DeadLetter, DeadLetters as _};
use image_sync_shared::ports::queue::job_queue::Settle;
use image_sync_shared::run::job::Job;

use super::job_store::JobStore;
use crate::jetstream::client::Retries;
use crate::jetstream::streams::{AckKind, Acker};

/// A job in the hands of a worker. Dropped, it leaves the job where it is, to come again in time.
pub(super) struct JetStreamSettle {
    jobs: Arc<JobStore>,
    acker: Acker,
}

impl JetStreamSettle {
    pub(crate) fn new(jobs: Arc<JobStore>, acker: Acker) -> Self {
        Self { jobs, acker }
    }

    async fn ack(&self, kind: AckKind, retries: Retries) -> Result<(), QueueError> {
        self.acker.ack(&self.jobs.connection, kind, retries).await
    }
}

#[async_trait]
impl Settle for JetStreamSettle {
    async fn done(&self) -> Result<(), QueueError> {
        self.ack(AckKind::Ack, Retries::WhileAway).await
    }

    async fn requeue(&self, successor: &Job) -> Result<(), QueueError> {
        // Stored before this one is acknowledged, so that a crash in between loses nothing. Whoever works this one
        // again makes the same successor, whose id is known for as long as the dedupe window.
        self.jobs.store_successor(successor).await?;
        self.ack(AckKind::Ack, Retries::WhileAway).await
    }

    async fn bury(&self, letter: DeadLetter) -> Result<(), QueueError> {
        self.jobs.letters.put(letter).await
    }

    /// Asked once: the caller gives the next sign of life soon.
    async fn in_progress(&self) -> Result<(), QueueError> {
        self.ack(AckKind::Progress, Retries::None).await
    }
}
