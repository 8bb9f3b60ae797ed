use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::job::Job;
use image_sync_shared::outcome::Action;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::job_queue::{Delivery, JobQueue, Lane, Stored};
use image_sync_shared::run::RunId;
use image_sync_testkit::images::image;

use crate::run_loop::Worker;
use crate::run_loop::shutdown::Shutdown;
use crate::tests::{Call, House, job};

fn hold(house: &House, name: &str) -> Job {
    let source = format!("source.test/{name}:1");
    house.registries.hold(&source, &image(name));
    job(&source, &format!("cache.test/{name}:1"))
}

#[tokio::test(start_paused = true)]
async fn duplicates_do_no_harm() {
    let house = House::new();
    let app = hold(&house, "app");
    let ran = house.work([app.clone()]).await;
    // A successor of a job that was done: what a crash between requeue and settlement leaves behind.
    let stray = Job {
        job_id: image_sync_shared::job::JobId::new(&ran.run, 0),
        run_id: ran.run.clone(),
        defers: 1,
        ..app
    };
    let jobs = &house.queue.ports().jobs;
    jobs.publish(Lane::Retry, &stray).await.unwrap();
    let at_work = house.start();
    tokio::time::sleep(Duration::from_secs(600)).await;
    at_work.stop().await;
    assert_eq!(
        house.registries.count("HEAD source manifest"),
        2,
        "it was worked"
    );
    assert_eq!(house.registries.count("PUT target manifest"), 1);
    assert_eq!(house.events(&ran.run).await, 1, "and its result dropped");
    assert_eq!(house.jobs_left(&ran.run).await, 0);
}

#[tokio::test(start_paused = true)]
async fn jobs_of_cancelled_runs_are_dropped() {
    let house = House::new();
    let (run, _) = house.publish(Lane::Bulk, [hold(&house, "app")]).await;
    house.queue.ports().runs.cancel(&run).await.unwrap();
    let at_work = house.start();
    tokio::time::sleep(Duration::from_secs(600)).await;
    at_work.stop().await;
    assert!(house.registries.requests().is_empty());
    assert_eq!(house.jobs_left(&run).await, 0);
    assert_eq!(house.events(&run).await, 0);
}

/// For as many signs of life as it takes.
#[tokio::test(start_paused = true)]
async fn what_is_in_hand_is_finished_when_its_run_is_cancelled() {
    let house = House::new();
    let gate = house.registries.gate(Call::CopyBlob, "app");
    let at_work = house.start();
    let app = hold(&house, "app");
    let (run, expected) = house.publish(Lane::Bulk, [app]).await;
    gate.arrived().await;
    house.queue.ports().runs.cancel(&run).await.unwrap();
    tokio::time::sleep(house.settings.heartbeat * 3).await;
    gate.open();
    let ran = house.results(&run, expected).await;
    at_work.stop().await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    let tag = house.registries.tag("cache.test/app:1");
    assert_eq!(tag.as_ref(), Some(image("app").digest()));
    assert_eq!(house.jobs_left(&run).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_panics_takes_nothing_with_it_and_comes_again() {
    let house = House::new();
    house.registries.panic(Call::PullManifest, "bad", 1);
    let ran = house
        .work([hold(&house, "bad"), hold(&house, "good")])
        .await;
    for result in &ran.results {
        assert_eq!(result.entry.action, Action::Pulled);
    }
    assert_eq!(house.registries.count("HEAD source.test/bad:1"), 2);
}

#[tokio::test(start_paused = true)]
async fn no_more_jobs_are_taken_than_there_are_slots() {
    let mut house = House::new();
    house.settings.slots = 2;
    let jobs: Vec<Job> = (0..3).map(|n| hold(&house, &format!("app{n}"))).collect();
    let gates = [0, 1].map(|n| {
        house
            .registries
            .gate(Call::PullManifest, &format!("app{n}"))
    });
    let at_work = house.start();
    let (run, expected) = house.publish(Lane::Bulk, jobs).await;
    for gate in &gates {
        gate.arrived().await;
    }
    let mut others = house
        .queue
        .ports()
        .jobs
        .pull(&Lane::ALL, 9, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(others.len(), 1, "the third is left for another worker");
    let third = others.remove(0);
    let again = third.job.deferred(house.clock.now());
    third.settle.requeue(&again).await.unwrap();
    for gate in &gates {
        gate.open();
    }
    house.results(&run, expected).await;
    at_work.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reserved_slots_are_kept_for_lane_now() {
    let mut house = House::new();
    house.settings.slots = 2;
    house.settings.reserved_for_now = 1;
    let gate = house.registries.gate(Call::PullManifest, "bulk0");
    let at_work = house.start();
    let bulk = [hold(&house, "bulk0"), hold(&house, "bulk1")];
    let (bulk_run, _) = house.publish(Lane::Bulk, bulk).await;
    gate.arrived().await;
    let (run, expected) = house.publish(Lane::Now, [hold(&house, "urgent")]).await;
    house.results(&run, expected).await;
    assert_eq!(house.registries.count("source.test/bulk1"), 0);
    gate.open();
    house.results(&bulk_run, 2).await;
    at_work.stop().await;
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
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_queue_is_asked_again_and_a_refusal_ends_the_worker() {
    let house = House::new();
    let queue = Arc::new(Failing {
        pulls: AtomicU32::new(0),
        unreachable: 5,
    });
    let mut ports = house.ports();
    ports.queue = Arc::<Failing>::clone(&queue);
    let worker = Worker::new(ports, house.settings.clone());
    let ended = worker.run(&Shutdown::default()).await;
    assert_eq!(ended, Err(QueueError::Refused("no such stream".to_owned())));
    assert_eq!(queue.pulls.load(Ordering::Relaxed), 6);
}
