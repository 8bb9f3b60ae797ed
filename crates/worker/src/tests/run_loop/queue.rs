use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::queue::job_queue::{Delivery, JobQueue, Lane, Stored};
use image_sync_shared::run::RunId;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::images::image;
use tokio_util::sync::CancellationToken;

use crate::run_loop::Worker;
use crate::run_loop::shutdown::Shutdown;
use crate::tests::{Call, TestWorker, job};

fn put_image(fixture: &TestWorker, name: &str) -> Job {
    let source = format!("source.test/{name}:1");
    fixture.registries.put_image(&source, &image(name));
    job(&source, &format!("cache.test/{name}:1"))
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_delivery_does_no_harm() {
    let fixture = TestWorker::new();
    let app = put_image(&fixture, "app");
    let ran = fixture.work([app.clone()]).await;
    // A successor of a job that was done: what a crash between requeue and settlement leaves behind.
    let stray = Job {
        job_id: image_sync_shared::run::job::JobId::new(&ran.run, 0),
        run_id: ran.run.clone(),
        defers: 1,
        ..app
    };
    let jobs = &fixture.queue.ports().jobs;
    jobs.publish(Lane::Retry, &stray).await.unwrap();
    let running = fixture.start();
    tokio::time::sleep(Duration::from_secs(600)).await;
    running.stop().await;
    assert_eq!(
        fixture.registries.count("HEAD source manifest"),
        2,
        "it was worked"
    );
    assert_eq!(fixture.registries.count("PUT target manifest"), 1);
    assert_eq!(fixture.events(&ran.run).await, 1, "and its result dropped");
    assert_eq!(fixture.jobs_left(&ran.run).await, 0);
}

#[tokio::test(start_paused = true)]
async fn jobs_of_cancelled_runs_are_dropped() {
    let fixture = TestWorker::new();
    let (run, _) = fixture
        .publish(Lane::Bulk, [put_image(&fixture, "app")])
        .await;
    fixture.queue.ports().runs.cancel(&run).await.unwrap();
    let running = fixture.start();
    tokio::time::sleep(Duration::from_secs(600)).await;
    running.stop().await;
    assert!(fixture.registries.requests().is_empty());
    assert_eq!(fixture.jobs_left(&run).await, 0);
    assert_eq!(fixture.events(&run).await, 0);
}

/// For as many signs of life as it takes.
#[tokio::test(start_paused = true)]
async fn a_job_in_flight_is_finished_when_its_run_is_cancelled() {
    let fixture = TestWorker::new();
    let gate = fixture.registries.gate(Call::CopyBlob, "app");
    let running = fixture.start();
    let app = put_image(&fixture, "app");
    let (run, expected) = fixture.publish(Lane::Bulk, [app]).await;
    gate.arrived().await;
    fixture.queue.ports().runs.cancel(&run).await.unwrap();
    tokio::time::sleep(fixture.settings.heartbeat * 3).await;
    gate.open();
    let ran = fixture.results(&run, expected).await;
    running.stop().await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    let tag = fixture.registries.tag("cache.test/app:1");
    assert_eq!(tag.as_ref(), Some(image("app").digest()));
    assert_eq!(fixture.jobs_left(&run).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_panics_takes_nothing_with_it_and_comes_again() {
    let fixture = TestWorker::new();
    fixture.registries.panic(Call::PullManifest, "bad", 1);
    let ran = fixture
        .work([put_image(&fixture, "bad"), put_image(&fixture, "good")])
        .await;
    for result in &ran.results {
        assert_eq!(result.entry.action, Action::Pulled);
    }
    assert_eq!(fixture.registries.count("HEAD source.test/bad:1"), 2);
}

#[tokio::test(start_paused = true)]
async fn no_more_jobs_are_pulled_than_there_are_free_slots() {
    let mut fixture = TestWorker::new();
    fixture.settings.slots = 2;
    let jobs: Vec<Job> = (0..3)
        .map(|n| put_image(&fixture, &format!("app{n}")))
        .collect();
    let gates = [0, 1].map(|n| {
        fixture
            .registries
            .gate(Call::PullManifest, &format!("app{n}"))
    });
    let running = fixture.start();
    let (run, expected) = fixture.publish(Lane::Bulk, jobs).await;
    for gate in &gates {
        gate.arrived().await;
    }
    let mut others = fixture
        .queue
        .ports()
        .jobs
        .pull(&Lane::ALL, 9, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(others.len(), 1, "the third is left for another worker");
    let third = others.remove(0);
    let again = third.job.deferred(fixture.clock.now());
    third.settle.requeue(&again).await.unwrap();
    for gate in &gates {
        gate.open();
    }
    fixture.results(&run, expected).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reserved_slots_are_kept_for_lane_now() {
    let mut fixture = TestWorker::new();
    fixture.settings.slots = 2;
    fixture.settings.reserved_for_now = 1;
    let gate = fixture.registries.gate(Call::PullManifest, "bulk0");
    let running = fixture.start();
    let bulk = [put_image(&fixture, "bulk0"), put_image(&fixture, "bulk1")];
    let (bulk_run, _) = fixture.publish(Lane::Bulk, bulk).await;
    gate.arrived().await;
    let (run, expected) = fixture
        .publish(Lane::Now, [put_image(&fixture, "urgent")])
        .await;
    fixture.results(&run, expected).await;
    assert_eq!(fixture.registries.count("source.test/bulk1"), 0);
    gate.open();
    fixture.results(&bulk_run, 2).await;
    running.stop().await;
}

/// A queue that cannot be reached for some pulls, and then refuses.
struct Failing {
    pulls: AtomicU32,
    unreachable: u32,
}

#[async_trait]
impl JobQueue for Failing {
    async fn publish(&self, _: Lane, _: &Job) -> Result<Stored, QueueError> {
        Ok(Stored::New)
    }

    async fn pull(&self, _: &[Lane], _: usize, _: Duration) -> Result<Vec<Delivery>, QueueError> {
        if self.pulls.fetch_add(1, Ordering::Relaxed) < self.unreachable {
            return Err(QueueError::Unreachable("no route".to_owned()));
        }
        Err(QueueError::Refused("no such stream".to_owned()))
    }

    async fn poisoned(&self, _: Duration) -> Result<Vec<Delivery>, QueueError> {
        Ok(Vec::new())
    }

    async fn purge(&self, _: &RunId) -> Result<u64, QueueError> {
        Ok(0)
    }

    async fn visibility(&self) -> Result<Duration, QueueError> {
        Ok(Duration::from_secs(60))
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_queue_is_retried_and_a_refusal_ends_the_worker() {
    let fixture = TestWorker::new();
    let queue = Arc::new(Failing {
        pulls: AtomicU32::new(0),
        unreachable: 5,
    });
    let mut ports = fixture.ports();
    ports.queue = Arc::<Failing>::clone(&queue);
    let worker = Worker::new(ports, fixture.settings.clone());
    let ended = worker.run(&Shutdown::default()).await;
    assert_eq!(ended, Err(QueueError::Refused("no such stream".to_owned())));
    assert_eq!(queue.pulls.load(Ordering::Relaxed), 6);
}

/// A queue whose pulls end once it is closed, as at the end of a run.
struct Closing {
    jobs: Arc<dyn JobQueue>,
    closed: CancellationToken,
}

#[async_trait]
impl JobQueue for Closing {
    async fn publish(&self, lane: Lane, job: &Job) -> Result<Stored, QueueError> {
        self.jobs.publish(lane, job).await
    }

    async fn pull(
        &self,
        lanes: &[Lane],
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        tokio::select! {
            () = self.closed.cancelled() => Err(QueueError::Closed),
            pulled = self.jobs.pull(lanes, max, wait) => pulled,
        }
    }

    async fn poisoned(&self, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.jobs.poisoned(wait).await
    }

    async fn purge(&self, run: &RunId) -> Result<u64, QueueError> {
        self.jobs.purge(run).await
    }

    async fn visibility(&self) -> Result<Duration, QueueError> {
        self.jobs.visibility().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_ends_the_worker_after_the_jobs_in_flight() {
    let fixture = TestWorker::new();
    let closed = CancellationToken::new();
    let mut ports = fixture.ports();
    ports.queue = Arc::new(Closing {
        jobs: ports.queue,
        closed: closed.clone(),
    });
    let gate = fixture.registries.gate(Call::PullManifest, "app");
    let running = fixture.start_with(ports);
    let (run, expected) = fixture
        .publish(Lane::Bulk, [put_image(&fixture, "app")])
        .await;
    gate.arrived().await;
    closed.cancel();
    gate.open();
    running.ended().await;
    let ran = fixture.results(&run, expected).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
}
