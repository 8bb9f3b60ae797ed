use std::time::Duration;

use image_sync_shared::digest::Digest;
use image_sync_shared::failure::FailureClass;
use image_sync_shared::job::Job;
use image_sync_shared::outcome::Action;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::job_queue::Lane;
use image_sync_testkit::images::{ImageBuilder, image};

use crate::tests::{Call, House, job};

const BASE: &str = "the layer that two sources have";

fn hold(house: &House, name: &str) -> Job {
    let source = format!("source.test/{name}:1");
    house.registries.hold(&source, &image(name));
    job(&source, &format!("cache.test/{name}:1"))
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_ends_one_image_and_not_the_others() {
    let house = House::new();
    let mut hung = hold(&house, "hung");
    hung.policy.timeout_secs = 40;
    let blob = image("hung").blobs[1].clone();
    let gate = house.registries.gate(Call::CopyBlob, blob.digest.as_str());
    let before = house.clock.now();
    let ran = house.work([hung, hold(&house, "fine")]).await;
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
    assert_eq!(house.clock.now() - before, Duration::from_secs(40));
    let leases = &house.queue.ports().leases;
    let lease = leases.acquire("cache.test/hung:1", "another").await;
    assert!(lease.unwrap().is_some(), "its lease was given back");
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_what_is_in_hand_and_takes_nothing_new() {
    let mut house = House::new();
    house.settings.slots = 1;
    let (first, second) = (hold(&house, "first"), hold(&house, "second"));
    let gate = house.registries.gate(Call::PullManifest, "first");
    let at_work = house.start();
    let (run, _) = house.publish(Lane::Bulk, [first, second]).await;
    gate.arrived().await;
    at_work.shutdown.stop.cancel();
    gate.open();
    at_work.ended().await;
    let ran = house.results(&run, 1).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert_eq!(house.registries.count("source.test/second"), 0);
    assert_eq!(house.jobs_left(&run).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_within_the_grace_time_is_put_back() {
    let house = House::new();
    let gate = house.registries.gate(Call::PullManifest, "app");
    let at_work = house.start();
    let (run, _) = house.publish(Lane::Bulk, [hold(&house, "app")]).await;
    gate.arrived().await;
    let before = house.clock.now();
    at_work.stop().await;
    assert_eq!(house.clock.now() - before, house.settings.grace);
    assert_eq!(house.events(&run).await, 1, "it has no result");
    let next = house.start();
    let ran = house.results(&run, 1).await;
    next.stop().await;
    let [(0, 0, told)] = &ran.attempts[..] else {
        panic!("one attempt, not {:?}", ran.attempts);
    };
    let words = "source: image cache.test/app:1: the worker was told to end while reading manifest";
    assert!(told.starts_with(words), "{told}");
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
    assert!(
        house.clock.now() - before < Duration::from_secs(30),
        "at once, and not after the visibility time"
    );
}

#[tokio::test(start_paused = true)]
async fn aborting_puts_back_at_once() {
    let house = House::new();
    let gate = house.registries.gate(Call::CopyBlob, "app");
    let at_work = house.start();
    let (run, _) = house.publish(Lane::Bulk, [hold(&house, "app")]).await;
    gate.arrived().await;
    let before = house.clock.now();
    at_work.shutdown.abort.cancel();
    at_work.ended().await;
    assert_eq!(house.clock.now(), before);
    assert_eq!(house.registries.tag("cache.test/app:1"), None);
    assert_eq!(house.jobs_left(&run).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_ends_the_worker_after_what_is_in_hand() {
    let house = House::new();
    let gate = house.registries.gate(Call::PullManifest, "app");
    let at_work = house.start();
    let (run, expected) = house.publish(Lane::Bulk, [hold(&house, "app")]).await;
    gate.arrived().await;
    house.queue.close();
    gate.open();
    at_work.ended().await;
    let ran = house.results(&run, expected).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
}

/// The job of an image that has the layer `BASE`, from a source of its own.
fn on_base(house: &House, host: &str) -> Job {
    let source = format!("{host}/app:1");
    let image = ImageBuilder::new(host).layer(BASE.as_bytes().to_vec());
    house.registries.hold(&source, &image.build());
    let mut job = job(&source, &format!("cache.test/{host}:1"));
    job.policy.timeout_secs = 8;
    job
}

fn base_layer() -> String {
    Digest::of(BASE.as_bytes()).to_string()
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_of_one_image_does_not_end_another_that_shares_a_layer() {
    let house = House::new();
    let gate = house.registries.gate(Call::CopyBlob, &base_layer());
    let at_work = house.start();
    let (slow, _) = house
        .publish(Lane::Bulk, [on_base(&house, "slow.test")])
        .await;
    gate.arrived().await;
    let before = house.clock.now();
    let (healthy, _) = house
        .publish(Lane::Bulk, [on_base(&house, "healthy.test")])
        .await;
    let healthy = house.results(&healthy, 1).await;
    let entry = &healthy.only().entry;
    assert_eq!((entry.action, &entry.error), (Action::Pulled, &None));
    assert!(
        house.clock.now() - before >= Duration::from_secs(8),
        "it waited for the other"
    );
    let slow = house.results(&slow, 1).await;
    let error = slow.only().entry.error.as_deref().unwrap();
    let words = format!("while copying blob {}", base_layer());
    assert!(error.contains(&words), "{error}");
    at_work.stop().await;
}

#[tokio::test(start_paused = true)]
async fn images_that_wait_for_each_other_end_all_the_same() {
    let house = House::new();
    let hosts: Vec<String> = (0..5).map(|n| format!("slow{n}.test")).collect();
    let gates: Vec<_> = hosts
        .iter()
        .map(|_| house.registries.gate(Call::CopyBlob, &base_layer()))
        .collect();
    let before = house.clock.now();
    let ran = house
        .work(hosts.iter().map(|host| on_base(&house, host)))
        .await;
    drop(gates);
    for result in &ran.results {
        assert_eq!(result.class, Some(FailureClass::TimeUsedUp));
        let error = result.entry.error.as_deref().unwrap();
        assert!(error.contains("while copying blob"), "{error}");
    }
    assert_eq!(house.clock.now() - before, Duration::from_secs(2 * 8));
}
