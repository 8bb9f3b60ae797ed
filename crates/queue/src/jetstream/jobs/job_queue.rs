//! The port for jobs.

use std::sync::{Arc, Once};
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::panics::caught;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::job_queue::{Delivery, JobQueue, Lane, Stored};
use image_sync_shared::run::RunId;
use image_sync_shared::run::job::Job;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::delayed;
use super::job_store::{JobStore, TakenJob, panicked_in};
use super::poison;
use super::poll_backoff::PollBackoff;
use super::purge;
use super::settle::JetStreamSettle;
use crate::jetstream::provision::timing;

/// What must not be left half done at the end.
#[derive(Clone, Default)]
pub(crate) struct BackgroundTasks {
    pub(crate) tracker: TaskTracker,
    /// Ends those that would go on.
    pub(crate) stop: CancellationToken,
}

/// The jobs of one installation.
pub(crate) struct JetStreamJobQueue {
    jobs: Arc<JobStore>,
    tasks: BackgroundTasks,
    /// Whether the jobs that wait are kept. Only who takes jobs does so, from then on.
    moves_delayed_jobs: Once,
}

impl JetStreamJobQueue {
    pub(crate) fn new(jobs: Arc<JobStore>, tasks: BackgroundTasks) -> Self {
        Self {
            jobs,
            tasks,
            moves_delayed_jobs: Once::new(),
        }
    }

    fn start_moving_delayed_jobs(&self) {
        self.moves_delayed_jobs.call_once(|| {
            let (jobs, stop) = (Arc::clone(&self.jobs), self.tasks.stop.clone());
            self.tasks.tracker.spawn(delayed::run(jobs, stop));
        });
    }

    /// Repeats a look until it finds something, or until `wait` is over.
    async fn poll_until<F>(
        &self,
        wait: Duration,
        look: impl Fn(Arc<JobStore>) -> F,
    ) -> Result<Vec<Delivery>, QueueError>
    where
        F: Future<Output = Result<Vec<TakenJob>, QueueError>> + Send + 'static,
    {
        let (deadline, mut pace) = (Instant::now() + wait, PollBackoff::new());
        loop {
            let opened = self.claim(look(Arc::clone(&self.jobs))).await?;
            if !opened.is_empty() || !pace.wait_until(deadline).await {
                return Ok(opened
                    .into_iter()
                    .map(|opened| self.deliver(opened))
                    .collect());
            }
        }
    }

    /// Carries out a look to its end, even if nobody waits for it any more: what it took is given back then.
    async fn claim<F>(&self, look: F) -> Result<Vec<TakenJob>, QueueError>
    where
        F: Future<Output = Result<Vec<TakenJob>, QueueError>> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let jobs = Arc::clone(&self.jobs);
        self.tasks.tracker.spawn(async move {
            let looked = caught(look).await;
            let looked = looked.unwrap_or_else(|panicked| Err(panicked_in(&panicked)));
            // The receiver is gone: whoever pulled was dropped meanwhile.
            if let Err(Ok(unclaimed)) = sender.send(looked) {
                for opened in unclaimed {
                    if let Err(error) = jobs.give_back(&opened).await {
                        tracing::warn!(%error, job = %opened.job.job_id, "could not give back a job: it comes again in time");
                    }
                }
            }
        });
        // The task ends by itself, whatever it meets: without a word only as the runtime does.
        receiver.await.unwrap_or(Err(QueueError::Closed))
    }

    fn deliver(&self, opened: TakenJob) -> Delivery {
        Delivery {
            settle: Box::new(JetStreamSettle::new(
                Arc::clone(&self.jobs),
                opened.received.acker(),
            )),
            job: opened.job,
            lane: opened.lane,
            deliveries: opened.deliveries,
        }
    }
}

#[async_trait]
impl JobQueue for JetStreamJobQueue {
    /// A full stream is an error, and nothing is waited for: what fills it may be this very run.
    async fn publish(&self, lane: Lane, job: &Job) -> Result<Stored, QueueError> {
        self.jobs.publish(lane, job).await
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
        self.start_moving_delayed_jobs();
        let look = |jobs: Arc<JobStore>| {
            let lanes = lanes.to_vec();
            async move { jobs.look(&lanes, max).await }
        };
        self.poll_until(wait, look).await
    }

    async fn poisoned(&self, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.poll_until(wait, |jobs| async move { poison::look(&jobs).await })
            .await
    }

    /// Jobs in hand are dropped too: whoever works them ends them, but they do not come again.
    async fn purge(&self, run: &RunId) -> Result<u64, QueueError> {
        purge::purge(&self.jobs.connection, run).await
    }

    async fn visibility(&self) -> Result<Duration, QueueError> {
        timing::visibility(&self.jobs.connection).await
    }
}
