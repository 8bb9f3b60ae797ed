use std::time::Duration;

use image_sync_queue::in_process::InProcessSettings;
use image_sync_shared::outcome::Action;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::job_queue::Lane;
use image_sync_testkit::images::image;

use crate::tests::{Call, House, job};

const SOURCE: &str = "source.test/app:1";
const TARGET: &str = "cache.test/app:1";

const TERM: Duration = Duration::from_secs(5);

/// A house in which leases end before they are renewed for the first time, as for a worker that was halted for a while.
fn house_of_short_leases() -> House {
    House::with_queue(InProcessSettings {
        lease_term: TERM,
        ..InProcessSettings::default()
    })
}

/// Takes the target over once its lease is over.
async fn take_over(house: &House) {
    tokio::time::sleep(TERM).await;
    let leases = &house.queue.ports().leases;
    let taken = leases.acquire(TARGET, "another").await.unwrap();
    assert!(taken.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_the_copy_before_the_tag() {
    let house = house_of_short_leases();
    let image = image("app");
    house.registries.hold(SOURCE, &image);
    let last_blob = image.blobs[2].digest.as_str();
    let gate = house.registries.gate(Call::CopyBlob, last_blob);
    let at_work = house.start();
    let (run, expected) = house.publish(Lane::Bulk, [job(SOURCE, TARGET)]).await;
    gate.arrived().await;
    take_over(&house).await;
    gate.open();
    tokio::time::sleep(TERM).await;
    assert_eq!(house.registries.count("PUT target blob"), 3);
    assert_eq!(house.registries.count("PUT target manifest"), 0);
    assert_eq!(house.registries.tag(TARGET), None);
    let before = house.clock.now();
    let ran = house.results(&run, expected).await;
    at_work.stop().await;
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
    assert!(house.clock.now() - before + TERM >= house.settings.busy_wait);
    assert_eq!(house.registries.count("HEAD source manifest"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_lost_in_the_middle_of_a_long_blob_is_noticed() {
    let house = house_of_short_leases();
    let image = image("app");
    house.registries.hold(SOURCE, &image);
    let layer = &image.blobs[2].digest;
    let gate = house.registries.gate(Call::CopyBlob, layer.as_str());
    let at_work = house.start();
    let (run, expected) = house.publish(Lane::Bulk, [job(SOURCE, TARGET)]).await;
    gate.arrived().await;
    take_over(&house).await;
    let ran = house.results(&run, expected).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    let begun = house.registries.count(&format!("GET source blob {layer}"));
    assert_eq!(
        begun, 2,
        "the held one was cut, though its gate never opened"
    );
    at_work.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_another_writes_is_put_back() {
    let house = House::new();
    house.registries.hold(SOURCE, &image("app"));
    let leases = &house.queue.ports().leases;
    let lease = leases.acquire(TARGET, "another").await.unwrap().unwrap();
    let before = house.clock.now();
    let ran = house.work([job(SOURCE, TARGET)]).await;
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
    assert!(house.clock.now() - before >= Duration::from_secs(45));
    leases.release(lease).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_long_copy_keeps_its_lease_and_its_delivery() {
    let house = House::new();
    let image = image("app");
    house.registries.hold(SOURCE, &image);
    let gate = house
        .registries
        .gate(Call::CopyBlob, image.blobs[1].digest.as_str());
    let at_work = house.start();
    let (run, expected) = house.publish(Lane::Bulk, [job(SOURCE, TARGET)]).await;
    gate.arrived().await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    let leases = &house.queue.ports().leases;
    let taken = leases.acquire(TARGET, "another").await.unwrap();
    assert_eq!(taken, None, "it outlives its term");
    gate.open();
    let ran = house.results(&run, expected).await;
    at_work.stop().await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert_eq!(
        house.registries.count("HEAD source manifest"),
        1,
        "it was not delivered again"
    );
    let free = leases.acquire(TARGET, "another").await.unwrap();
    assert!(free.is_some(), "it was given back");
}

#[tokio::test(start_paused = true)]
async fn neither_checks_nor_dry_runs_take_a_lease() {
    let house = House::new();
    let image = image("app");
    house.registries.hold(SOURCE, &image);
    let leases = &house.queue.ports().leases;
    let held = leases.acquire(TARGET, "another").await.unwrap();
    assert!(held.is_some());
    let mut dry = job(SOURCE, TARGET);
    dry.policy.dry_run = true;
    let before = house.clock.now();
    assert_eq!(house.work([dry]).await.only().entry.action, Action::Skipped);
    house.registries.hold(TARGET, &image);
    let ran = house.work([job(SOURCE, TARGET)]).await;
    assert_eq!(ran.only().entry.action, Action::AlreadyCached);
    assert!(house.clock.now() - before < Duration::from_secs(15));
}
