//! The queue under test, and how the rules look at it.

use std::time::Duration;

use async_trait::async_trait;
use image_sync_queue::Ports;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::job_queue::{Delivery, Lane, Stored};
use image_sync_shared::run::RunId;
use image_sync_shared::run::job::Job;

/// The times that a queue under test was set to. A real server is set to short ones, and then they are waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// How long a job may be out unsettled.
    pub(crate) visibility: Duration,
    /// For how long repeats are dropped.
    pub(crate) dedupe_window: Duration,
    /// How long a lease lasts.
    pub(crate) lease_term: Duration,
    /// How long to look at a queue that should have nothing: much less than a quarter of the others.
    pub(crate) quiet: Duration,
    /// How long to wait for what should come: more than any hiccup of a machine under load.
    pub(crate) patience: Duration,
    /// How long a rule takes at most: what takes longer hangs.
    pub(crate) limit: Duration,
}

/// A queue that is used by one test alone.
#[async_trait]
pub(crate) trait TestQueue: Send + Sync {
    /// The queue.
    fn ports(&self) -> &Ports;

    /// The clock that it was given.
    fn clock(&self) -> &dyn Clock;

    /// The times it was set to.
    fn times(&self) -> Times;

    /// How often it delivers a job before it is poison.
    fn max_deliver(&self) -> u64;

    /// Stores a message as it is.
    async fn inject(&self, lane: Lane, run: &RunId, message: &[u8]);

    /// Stores a message of this kind in the log of a run as it is.
    async fn inject_event(&self, run: &RunId, kind: &str, message: &[u8]);

    /// Lets time pass. Where the clock is paused this takes no time at all.
    async fn advance(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}

/// What `work` yields. It must not hang.
pub(crate) async fn in_time<T>(queue: &dyn TestQueue, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(queue.times().limit, work).await;
    done.expect("it should have come to an end")
}

/// Publishes a job that is no repeat.
pub(crate) async fn publish(queue: &dyn TestQueue, lane: Lane, job: &Job) {
    let publishing = queue.ports().jobs.publish(lane, job);
    assert_eq!(in_time(queue, publishing).await, Ok(Stored::New));
}

/// The next job of any lane. There must be one.
pub(crate) async fn pull_one(queue: &dyn TestQueue) -> Delivery {
    pull_one_within(queue, queue.times().patience).await
}

/// The next job of any lane, which must come within `wait`.
pub(crate) async fn pull_one_within(queue: &dyn TestQueue, wait: Duration) -> Delivery {
    let mut pulled = pull(queue, &Lane::ALL, 1, wait).await;
    pulled.pop().expect("a job should have been delivered")
}

/// Up to `max` jobs of some lanes.
pub(crate) async fn pull(
    queue: &dyn TestQueue,
    lanes: &[Lane],
    max: usize,
    wait: Duration,
) -> Vec<Delivery> {
    queue.ports().jobs.pull(lanes, max, wait).await.unwrap()
}

/// Pulls until nothing more comes, settles all as done, and says which jobs they were.
pub(crate) async fn drain(queue: &dyn TestQueue, lanes: &[Lane]) -> Vec<Job> {
    let mut jobs = Vec::new();
    loop {
        let pulled = pull(queue, lanes, 10, queue.times().quiet).await;
        if pulled.is_empty() {
            return jobs;
        }
        for delivery in pulled {
            jobs.push(delivery.job);
            delivery.settle.done().await.unwrap();
        }
    }
}

/// There must be no job to deliver now, in any lane.
pub(crate) async fn assert_nothing(queue: &dyn TestQueue) {
    let pulled = pull(queue, &Lane::ALL, 10, queue.times().quiet).await;
    let ids: Vec<String> = pulled.iter().map(|got| got.job.message_id()).collect();
    assert!(ids.is_empty(), "delivered {ids:?}");
}

/// Takes a job and dies with it, then waits until it may come again.
pub(crate) async fn crash_with_one(queue: &dyn TestQueue) -> u64 {
    let deliveries = pull_one(queue).await.deliveries;
    queue.advance(queue.times().visibility).await;
    deliveries
}
