use std::time::Duration;

use image_sync_queue::in_process::InProcessSettings;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::images::image;

use crate::tests::{Call, TestWorker, job};

const SOURCE: &str = "source.test/app:1";
const TARGET: &str = "cache.test/app:1";

const TERM: Duration = Duration::from_secs(5);

/// A worker whose leases end before they are renewed for the first time, as for a worker that was halted for a while.
fn fixture_of_short_leases() -> TestWorker {
    TestWorker::with_queue(InProcessSettings {
        lease_term: TERM,
        ..InProcessSettings::default()
    })
}

/// Takes the target over once its lease is over.
async fn take_over(fixture: &TestWorker) {
    tokio::time::sleep(TERM).await;
    let leases = &fixture.queue.ports().leases;
    let taken = leases.acquire(TARGET, "another").await.unwrap();
    assert!(taken.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_the_copy_before_the_tag() {
    let fixture = fixture_of_short_leases();
    let image = image("app");
    fixture.registries.put_image(SOURCE, &image);
    let last_blob = image.blobs[2].digest.as_str();
    let gate = fixture.registries.gate(Call::CopyBlob, last_blob);
    let running = fixture.start();
    let (run, expected) = fixture.publish(Lane::Bulk, [job(SOURCE, TARGET)]).await;
    gate.arrived().await;
    take_over(&fixture).await;
    gate.open();
    tokio::time::sleep(TERM).await;
    assert_eq!(fixture.registries.count("PUT target blob"), 3);
    assert_eq!(fixture.registries.count("PUT target manifest"), 0);
    assert_eq!(fixture.registries.tag(TARGET), None);
    let before = fixture.clock.now();
    let ran = fixture.results(&run, expected).await;
    running.stop().await;
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
    assert!(fixture.clock.now() - before + TERM >= fixture.settings.busy_wait);
    assert_eq!(fixture.registries.count("HEAD source manifest"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_lost_in_the_middle_of_a_long_blob_is_noticed() {
    let fixture = fixture_of_short_leases();
    let image = image("app");
    fixture.registries.put_image(SOURCE, &image);
    let layer = &image.blobs[2].digest;
    let gate = fixture.registries.gate(Call::CopyBlob, layer.as_str());
    let running = fixture.start();
    let (run, expected) = fixture.publish(Lane::Bulk, [job(SOURCE, TARGET)]).await;
    gate.arrived().await;
    take_over(&fixture).await;
    let ran = fixture.results(&run, expected).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    let begun = fixture
        .registries
        .count(&format!("GET source blob {layer}"));
    assert_eq!(
        begun, 2,
        "the held one was cut, though its gate never opened"
    );
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_lease_another_holds_is_put_back() {
    let fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &image("app"));
    let leases = &fixture.queue.ports().leases;
    let lease = leases.acquire(TARGET, "another").await.unwrap().unwrap();
    let before = fixture.clock.now();
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
    assert!(fixture.clock.now() - before >= Duration::from_secs(45));
    leases.release(lease).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_long_copy_keeps_its_lease_and_its_delivery() {
    let fixture = TestWorker::new();
    let image = image("app");
    fixture.registries.put_image(SOURCE, &image);
    let gate = fixture
        .registries
        .gate(Call::CopyBlob, image.blobs[1].digest.as_str());
    let running = fixture.start();
    let (run, expected) = fixture.publish(Lane::Bulk, [job(SOURCE, TARGET)]).await;
    gate.arrived().await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    let leases = &fixture.queue.ports().leases;
    let taken = leases.acquire(TARGET, "another").await.unwrap();
    assert_eq!(taken, None, "it outlives its term");
    gate.open();
    let ran = fixture.results(&run, expected).await;
    running.stop().await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert_eq!(
        fixture.registries.count("HEAD source manifest"),
        1,
        "it was not delivered again"
    );
    let free = leases.acquire(TARGET, "another").await.unwrap();
    assert!(free.is_some(), "it was given back");
}

#[tokio::test(start_paused = true)]
async fn neither_checks_nor_dry_runs_take_a_lease() {
    let fixture = TestWorker::new();
    let image = image("app");
    fixture.registries.put_image(SOURCE, &image);
    let leases = &fixture.queue.ports().leases;
    let held = leases.acquire(TARGET, "another").await.unwrap();
    assert!(held.is_some());
    let mut dry = job(SOURCE, TARGET);
    dry.policy.dry_run = true;
    let before = fixture.clock.now();
    assert_eq!(
        fixture.work([dry]).await.only().entry.action,
        Action::Skipped
    );
    fixture.registries.put_image(TARGET, &image);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    assert_eq!(ran.only().entry.action, Action::AlreadyCached);
    assert!(fixture.clock.now() - before < Duration::from_secs(15));
}
