//! The in-process queue keeps the contract, and has some rules of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_queue::Ports;
use image_sync_queue::in_process::{InProcess, InProcessSettings};
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::job_queue::{Lane, Stored};
use image_sync_shared::run::RunId;
use image_sync_testkit::TokioClock;
use time::macros::datetime;
use tokio::time::Instant;

#[path = "contract/suite.rs"]
mod contract;

use contract::samples::{held_job, job, run};
use contract::test_queue::{
    TestQueue, Times, crash_with_one, drain, in_time, publish, pull, pull_one,
};

const HOUR: Duration = Duration::from_secs(3_600);

struct InProcessTestQueue {
    settings: InProcessSettings,
    clock: TokioClock,
    in_process: InProcess,
}

#[async_trait]
impl TestQueue for InProcessTestQueue {
    fn ports(&self) -> &Ports {
        self.in_process.ports()
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn times(&self) -> Times {
        Times {
            visibility: self.settings.visibility,
            dedupe_window: self.settings.dedupe_window,
            lease_term: self.settings.lease_term,
            quiet: Duration::from_secs(1),
            patience: Duration::from_secs(10),
            limit: 24 * HOUR,
        }
    }

    fn max_deliver(&self) -> u64 {
        self.settings.max_deliver
    }

    async fn inject(&self, lane: Lane, run: &RunId, message: &[u8]) {
        self.in_process.publish_raw(lane, run, message);
    }

    async fn inject_event(&self, run: &RunId, _: &str, message: &[u8]) {
        self.in_process.append_raw(run, message).unwrap();
    }
}

async fn fresh() -> InProcessTestQueue {
    let settings = InProcessSettings::default();
    let clock = TokioClock::default();
    InProcessTestQueue {
        in_process: InProcess::new(settings.clone(), Arc::new(clock.clone())),
        settings,
        clock,
    }
}

contract::every_rule!(fresh, tokio::test(start_paused = true));

#[tokio::test(start_paused = true)]
async fn a_held_job_is_delivered_at_its_very_instant() {
    let queue = fresh().await;
    let due = queue.clock().now() + Duration::from_millis(12_345);
    publish(&queue, Lane::Retry, &held_job(0, due)).await;
    pull(&queue, &Lane::ALL, 1, HOUR).await;
    assert_eq!(queue.clock().now(), due);
}

#[tokio::test(start_paused = true)]
async fn a_job_held_as_long_as_can_be_said_does_not_come() {
    let queue = fresh().await;
    let never = datetime!(9999-12-31 23:59 UTC);
    publish(&queue, Lane::Retry, &held_job(0, never)).await;
    let pulled = pull(&queue, &Lane::ALL, 1, 24 * HOUR).await;
    assert!(pulled.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_publish_to_a_full_bulk_lane_waits_for_a_place() {
    let queue = fresh().await;
    let (jobs, capacity) = (&queue.ports().jobs, fill_bulk(&queue).await);
    let waiting = job(capacity);
    let mut publishing = jobs.publish(Lane::Bulk, &waiting);
    assert_waits(&mut publishing).await;
    let taken = pull_one(&queue).await;
    assert_waits(&mut publishing).await;
    taken.settle.done().await.unwrap();
    assert_eq!(in_time(&queue, publishing).await, Ok(Stored::New));
    let left = drain(&queue, &[Lane::Bulk]).await;
    assert_eq!(left.len(), capacity as usize);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_publish_that_waited_stored_nothing() {
    let queue = fresh().await;
    let (jobs, capacity) = (&queue.ports().jobs, fill_bulk(&queue).await);
    let waiting = job(capacity);
    assert_waits(&mut jobs.publish(Lane::Bulk, &waiting)).await;
    let left = drain(&queue, &[Lane::Bulk]).await;
    assert_eq!(left.len(), capacity as usize);
    publish(&queue, Lane::Bulk, &waiting).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_bulk_lane_holds_up_neither_the_other_lanes_nor_a_repeat() {
    let queue = fresh().await;
    let (jobs, capacity) = (&queue.ports().jobs, fill_bulk(&queue).await);
    let start = Instant::now();
    publish(&queue, Lane::Now, &job(capacity)).await;
    publish(&queue, Lane::Retry, &job(capacity + 1)).await;
    let first = job(0);
    let repeat = in_time(&queue, jobs.publish(Lane::Bulk, &first)).await;
    assert_eq!(repeat, Ok(Stored::Duplicate));
    let bulk = pull(&queue, &[Lane::Bulk], 1, Duration::ZERO).await;
    for delivery in bulk {
        let successor = delivery.job.deferred(queue.clock().now());
        delivery.settle.requeue(&successor).await.unwrap();
    }
    assert_eq!(Instant::now(), start);
    publish(&queue, Lane::Bulk, &job(capacity + 2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_purge_makes_room_in_a_full_bulk_lane() {
    let queue = fresh().await;
    let (jobs, capacity) = (&queue.ports().jobs, fill_bulk(&queue).await);
    let waiting = job(capacity);
    let mut publishing = jobs.publish(Lane::Bulk, &waiting);
    assert_waits(&mut publishing).await;
    assert_eq!(jobs.purge(&run()).await, Ok(u64::from(capacity)));
    assert_eq!(in_time(&queue, publishing).await, Ok(Stored::New));
}

#[tokio::test(start_paused = true)]
async fn poison_that_the_janitor_lost_comes_to_it_again() {
    let queue = fresh().await;
    publish(&queue, Lane::Bulk, &job(0)).await;
    for _ in 0..queue.max_deliver() {
        crash_with_one(&queue).await;
    }
    for _ in 0..2 {
        let events = queue.ports().jobs.poisoned(HOUR).await.unwrap();
        assert_eq!(events.len(), 1);
    }
}

async fn fill_bulk(queue: &InProcessTestQueue) -> u32 {
    let capacity = u32::try_from(queue.settings.bulk_capacity).unwrap();
    for idx in 0..capacity {
        publish(queue, Lane::Bulk, &job(idx)).await;
    }
    capacity
}

/// The future must not be ready, however long it is given.
async fn assert_waits<T: std::fmt::Debug>(future: &mut (impl Future<Output = T> + Unpin)) {
    let ready = tokio::time::timeout(Duration::from_secs(10), future).await;
    assert!(ready.is_err(), "{ready:?} did not wait");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_forgotten_leaves_nothing_and_others_stay() {
    use image_sync_shared::ports::runs::run_control::Opening;
    let queue = fresh().await;
    let ports = queue.ports();
    let until = queue.clock.now() + HOUR;
    let mut follower = ports.states.follow().await.unwrap();
    for name in ["old", "new"] {
        let run = RunId::new(name);
        let opening = ports.runs.open(name, &run, until).await;
        assert_eq!(opening, Ok(Opening::Opened));
        let alive = image_sync_shared::run::RunEvent::Alive { at: until };
        ports.log.append(&run, &alive).await.unwrap();
        ports.runs.cancel(&run).await.unwrap();
        let report = Box::new(|out: &mut dyn std::io::Write| out.write_all(b"{}"));
        ports.reports.put(&run, report).await.unwrap();
    }
    let (old, new) = (RunId::new("old"), RunId::new("new"));
    queue.in_process.forget(&old);
    for (run, is_known) in [(&old, false), (&new, true)] {
        assert_eq!(ports.states.get(run).await.unwrap().is_some(), is_known);
        assert_eq!(ports.reports.get(run).await.unwrap().is_some(), is_known);
        assert_eq!(ports.runs.is_cancelled(run), is_known);
        let mut log = ports.log.read(run).await.unwrap();
        let event = log.next(Duration::ZERO).await.unwrap();
        assert_eq!(event.is_some(), is_known, "{run}");
    }
    let heard = follower.next(Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(heard.run, new, "what was forgotten is not heard of");
    assert!(follower.next(Duration::ZERO).await.unwrap().is_none());
}
