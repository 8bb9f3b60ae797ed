//! The jobs of a run, from their orders into the queue.

use std::iter::Peekable;

use futures_util::stream::{FuturesUnordered, Stream, StreamExt as _, TryStreamExt as _};
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::ports::telemetry::trace_context::TraceContext;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::{ImageName, RunEvent, RunOpened, Trigger};
use image_sync_shared::secret::mac::MacKey;
use time::OffsetDateTime;

use super::order::{self, Order};
use super::results::Results;
use super::{Producer, RunPlan};

/// The names of one chunk have at most this many bytes of JSON; a message of the log is at most 1 MiB.
pub(super) const CHUNK_BYTES: usize = 512 * 1024;
/// Jobs that are being stored at the same time.
pub(super) const PUBLISHES_IN_FLIGHT: usize = 256;

impl Producer {
    /// Publishes the jobs stage by stage. `jobs` is how many are published.
    pub(super) async fn publish_stages<S, P>(
        &self,
        plan: &RunPlan,
        marks: &Marks,
        stages: impl IntoIterator<Item = S>,
        jobs: &mut u32,
    ) -> Result<(), QueueError>
    where
        S: Stream<Item = Result<P, QueueError>>,
        P: IntoIterator<Item: Order>,
    {
        let mut results = Results::of(&*self.log, &plan.run_id, marks.key.as_ref());
        for (nth, pages) in stages.into_iter().enumerate() {
            if nth > 0 {
                tracing::info!(jobs, "waiting for the results of what the next images read");
                results.wait_for(*jobs).await?;
            }
            self.publish_all(plan, marks, pages, jobs).await?;
        }
        Ok(())
    }

    async fn publish_all<P: IntoIterator<Item: Order>>(
        &self,
        plan: &RunPlan,
        marks: &Marks,
        pages: impl Stream<Item = Result<P, QueueError>>,
        jobs: &mut u32,
    ) -> Result<(), QueueError> {
        tokio::pin!(pages);
        while let Some(page) = pages.try_next().await? {
            let mut orders = page.into_iter().peekable();
            while orders.peek().is_some() {
                let (names, batch) = next_batch(&mut orders, CHUNK_BYTES);
                let first_idx = *jobs;
                let chunk = RunEvent::Chunk {
                    first_idx,
                    items: names,
                };
                self.append(plan, chunk).await?;
                self.publish_batch(plan, marks, first_idx, &batch, jobs)
                    .await?;
            }
        }
        Ok(())
    }

    async fn publish_batch(
        &self,
        plan: &RunPlan,
        marks: &Marks,
        first_idx: u32,
        batch: &[impl Order],
        jobs: &mut u32,
    ) -> Result<(), QueueError> {
        let lane = lane_of(plan.trigger);
        let mut in_flight = FuturesUnordered::new();
        let mut stored = Ok(());
        for (idx, order) in (first_idx..).zip(batch) {
            if in_flight.len() >= PUBLISHES_IN_FLIGHT {
                stored = count_next(&mut in_flight, jobs).await;
            }
            if stored.is_err() {
                break;
            }
            // A queue that is always ready would keep this task from seeing a stop, and other tasks from running.
            tokio::task::coop::consume_budget().await;
            let mut job = order.job(plan, idx, self.clock.now());
            marks.put_on(&mut job);
            let failure = order.failure();
            // A job is made in both cases: the result needs its code to count.
            in_flight.push(async move {
                match failure {
                    Some(failure) => self.append(plan, order::result(&job, failure)).await,
                    None => self.queue.publish(lane, &job).await.map(drop),
                }
            });
        }
        // After a failure too: what is dropped later must not be stored after that.
        while !in_flight.is_empty() {
            let next = count_next(&mut in_flight, jobs).await;
            stored = stored.and(next);
        }
        stored
    }
}

/// What all jobs of a run have from its opening.
pub(super) struct Marks {
    key: Option<MacKey>,
    trace: TraceContext,
    deadline_at: OffsetDateTime,
}

impl Marks {
    pub(super) fn of(opened: &RunOpened) -> Self {
        Self {
            key: opened.key.clone(),
            trace: opened.trace.clone(),
            deadline_at: opened.deadline_at,
        }
    }

    fn put_on(&self, job: &mut Job) {
        job.trace.clone_from(&self.trace);
        job.deadline_at = Some(self.deadline_at);
        job.mac = self.key.as_ref().map(|key| job.mac_with(key));
    }
}

fn lane_of(trigger: Trigger) -> Lane {
    match trigger {
        Trigger::Manual | Trigger::Schedule | Trigger::Other(_) => Lane::Bulk,
        Trigger::Enqueue | Trigger::Webhook | Trigger::Replay => Lane::Now,
    }
}

/// The next orders whose names together have at most `limit` bytes of JSON, but at least one order.
pub(super) fn next_batch<I: Iterator<Item: Order>>(
    orders: &mut Peekable<I>,
    limit: usize,
) -> (Vec<ImageName>, Vec<I::Item>) {
    let (mut names, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0);
    while let Some(order) = orders.peek() {
        let name = order.name();
        bytes += serde_json::to_string(&name).map_or(0, |json| json.len() + 1);
        if bytes > limit && !batch.is_empty() {
            break;
        }
        names.push(name);
        batch.extend(orders.next());
    }
    (names, batch)
}

async fn count_next<F>(
    in_flight: &mut FuturesUnordered<F>,
    jobs: &mut u32,
) -> Result<(), QueueError>
where
    F: Future<Output = Result<(), QueueError>>,
{
    if let Some(stored) = in_flight.next().await {
        stored?;
        *jobs += 1;
    }
    Ok(())
}
