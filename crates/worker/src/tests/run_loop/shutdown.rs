use std::time::Duration;

use image_sync_shared::failure::FailureClass;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::images::{ImageBuilder, image};

use crate::tests::{Call, TestWorker, job};

const BASE: &str = "the layer that two sources have";

fn put_image(fixture: &TestWorker, name: &str) -> Job {
    let source = format!("source.test/{name}:1");
    fixture.registries.put_image(&source, &image(name));
    job(&source, &format!("cache.test/{name}:1"))
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_one_image_and_not_the_others() {
    let fixture = TestWorker::new();
    let mut hung = put_image(&fixture, "hung");
    hung.policy.timeout_secs = 40;
    let blob = image("hung").blobs[1].clone();
    let gate = fixture
        .registries
        .gate(Call::CopyBlob, blob.digest.as_str());
    let before = fixture.clock.now();
    let ran = fixture.work([hung, put_image(&fixture, "fine")]).await;
    drop(gate);
    let [hung, fine] = &ran.results[..] else {
        panic!("expected two results");
    };
    assert_eq!(fine.entry.action, Action::Pulled);
    assert_eq!(hung.class, Some(FailureClass::TimeUsedUp));
    assert_eq!(
        (hung.entry.action, hung.entry.attempts),
        (Action::Failed, 1)
    );
    assert_eq!(
        hung.entry.error.as_deref().unwrap(),
        format!(
            "source: image cache.test/hung:1: pull_timeout_secs: not done within 40 s while copying blob {} of {} bytes",
            blob.digest,
            blob.bytes.len()
        )
    );
    assert_eq!(hung.entry.blobs.copied, 2, "how far it came");
    assert_eq!(fixture.clock.now() - before, Duration::from_secs(40));
    let leases = &fixture.queue.ports().leases;
    let lease = leases.acquire("cache.test/hung:1", "another").await;
    assert!(lease.unwrap().is_some(), "its lease was given back");
}

#[tokio::test(start_paused = true)]
async fn shutdown_finishes_the_jobs_in_flight_and_takes_nothing_new() {
    let mut fixture = TestWorker::new();
    fixture.settings.slots = 1;
    let (first, second) = (put_image(&fixture, "first"), put_image(&fixture, "second"));
    let gate = fixture.registries.gate(Call::PullManifest, "first");
    let running = fixture.start();
    let (run, _) = fixture.publish(Lane::Bulk, [first, second]).await;
    gate.arrived().await;
    running.shutdown.stop.cancel();
    gate.open();
    running.ended().await;
    let ran = fixture.results(&run, 1).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert_eq!(fixture.registries.count("source.test/second"), 0);
    assert_eq!(fixture.jobs_left(&run).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_outlasts_the_grace_time_of_a_shutdown_is_put_back() {
    let fixture = TestWorker::new();
    let gate = fixture.registries.gate(Call::PullManifest, "app");
    let running = fixture.start();
    let (run, _) = fixture
        .publish(Lane::Bulk, [put_image(&fixture, "app")])
        .await;
    gate.arrived().await;
    let before = fixture.clock.now();
    running.stop().await;
    assert_eq!(fixture.clock.now() - before, fixture.settings.grace);
    assert_eq!(fixture.events(&run).await, 1, "it has no result");
    let next = fixture.start();
    let ran = fixture.results(&run, 1).await;
    next.stop().await;
    let [(0, 0, told)] = &ran.attempts[..] else {
        panic!("one attempt, not {:?}", ran.attempts);
    };
    let words = "interrupted while reading manifest";
    assert!(told.starts_with(words), "{told}");
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
    assert!(
        fixture.clock.now() - before < Duration::from_secs(30),
        "at once, and not after the visibility time"
    );
}

#[tokio::test(start_paused = true)]
async fn an_aborted_shutdown_puts_back_at_once() {
    let fixture = TestWorker::new();
    let gate = fixture.registries.gate(Call::CopyBlob, "app");
    let running = fixture.start();
    let (run, _) = fixture
        .publish(Lane::Bulk, [put_image(&fixture, "app")])
        .await;
    gate.arrived().await;
    let before = fixture.clock.now();
    running.shutdown.abort.cancel();
    running.ended().await;
    assert_eq!(fixture.clock.now(), before);
    assert_eq!(fixture.registries.tag("cache.test/app:1"), None);
    assert_eq!(fixture.jobs_left(&run).await, 1);
}

/// The job of an image that has the layer `BASE`, from a source of its own.
fn on_base(fixture: &TestWorker, host: &str) -> Job {
    let source = format!("{host}/app:1");
    let image = ImageBuilder::new(host).layer(BASE.as_bytes().to_vec());
    fixture.registries.put_image(&source, &image.build());
    let mut job = job(&source, &format!("cache.test/{host}:1"));
    job.policy.timeout_secs = 8;
    job
}

fn base_layer() -> String {
    Digest::of(BASE.as_bytes()).to_string()
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_one_image_does_not_end_another_that_shares_a_layer() {
    let fixture = TestWorker::new();
    let gate = fixture.registries.gate(Call::CopyBlob, &base_layer());
    let running = fixture.start();
    let (slow, _) = fixture
        .publish(Lane::Bulk, [on_base(&fixture, "slow.test")])
        .await;
    gate.arrived().await;
    let before = fixture.clock.now();
    let (healthy, _) = fixture
        .publish(Lane::Bulk, [on_base(&fixture, "healthy.test")])
        .await;
    let healthy = fixture.results(&healthy, 1).await;
    let entry = &healthy.only().entry;
    assert_eq!((entry.action, &entry.error), (Action::Pulled, &None));
    assert!(
        fixture.clock.now() - before >= Duration::from_secs(8),
        "it waited for the other"
    );
    let slow = fixture.results(&slow, 1).await;
    let error = slow.only().entry.error.as_deref().unwrap();
    let words = format!("while copying blob {}", base_layer());
    assert!(error.contains(&words), "{error}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn images_that_wait_for_each_other_end_all_the_same() {
    let fixture = TestWorker::new();
    let hosts: Vec<String> = (0..5).map(|n| format!("slow{n}.test")).collect();
    let gates: Vec<_> = hosts
        .iter()
        .map(|_| fixture.registries.gate(Call::CopyBlob, &base_layer()))
        .collect();
    let before = fixture.clock.now();
    let ran = fixture
        .work(hosts.iter().map(|host| on_base(&fixture, host)))
        .await;
    drop(gates);
    for result in &ran.results {
        assert_eq!(result.class, Some(FailureClass::TimeUsedUp));
        let error = result.entry.error.as_deref().unwrap();
        assert!(error.contains("while copying blob"), "{error}");
    }
    assert_eq!(fixture.clock.now() - before, Duration::from_secs(2 * 8));
}

#[tokio::test(start_paused = true)]
async fn work_that_ends_in_the_moment_of_an_abort_is_done() {
    // Often enough to be drawn each time, if it were left to chance.
    for _ in 0..32 {
        let fixture = TestWorker::new();
        let gate = fixture.registries.gate(Call::PushManifest, "app:1");
        let running = fixture.start();
        let (run, expected) = fixture
            .publish(Lane::Bulk, [put_image(&fixture, "app")])
            .await;
        gate.arrived().await;
        gate.open();
        running.shutdown.abort.cancel();
        running.ended().await;
        assert_eq!(fixture.jobs_left(&run).await, 0);
        let ran = fixture.results(&run, expected).await;
        assert_eq!(ran.only().entry.action, Action::Pulled);
    }
}
