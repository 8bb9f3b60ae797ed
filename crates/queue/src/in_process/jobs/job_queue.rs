//! The port for jobs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::job_queue::{Delivery, JobQueue, Lane, Stored};
use image_sync_shared::run::RunId;
use image_sync_shared::run::job::Job;

use super::schedule::Selection;
use super::settle::InProcessSettle;
use super::{Jobs, TakenJob};
use crate::in_process::waiting::within;

/// How many poison events are handed over at once.
const MAX_POISON: usize = 100;

/// The jobs of a single process.
pub(in crate::in_process) struct InProcessJobQueue(Arc<Jobs>);

impl InProcessJobQueue {
    pub(in crate::in_process) fn new(jobs: Arc<Jobs>) -> Self {
        Self(jobs)
    }

    /// Waits for jobs and takes up to `max` of them.
    async fn take(
        &self,
        selection: Selection<'_>,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let opened = within(wait, async { Ok(self.0.take(selection, max).await) }).await?;
        Ok(opened
            .into_iter()
            .map(|opened| self.deliver(opened))
            .collect())
    }

    fn deliver(&self, opened: TakenJob) -> Delivery {
        Delivery {
            settle: Box::new(InProcessSettle::new(Arc::clone(&self.0), opened.number)),
            job: opened.job,
            lane: opened.lane,
            deliveries: opened.deliveries,
        }
    }
}

#[async_trait]
impl JobQueue for InProcessJobQueue {
    async fn publish(&self, lane: Lane, job: &Job) -> Result<Stored, QueueError> {
        self.0.publish(lane, job).await
    }

    async fn pull(
        &self,
        lanes: &[Lane],
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        self.take(Selection::Lanes(lanes), max, wait).await
    }

    async fn poisoned(&self, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.take(Selection::Poison, MAX_POISON, wait).await
    }

    async fn purge(&self, run: &RunId) -> Result<u64, QueueError> {
        Ok(self.0.purge(run))
    }

    async fn visibility(&self) -> Result<Duration, QueueError> {
        Ok(self.0.visibility())
    }
}
