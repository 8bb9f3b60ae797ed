use image_sync_shared::digest::Digest;
use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::job::Job;
use image_sync_shared::outcome::{Action, BlobCounts};
use image_sync_shared::ports::job_queue::Lane;
use image_sync_testkit::Image;
use image_sync_testkit::images::{ImageBuilder, image};

use crate::tests::{Call, House, job};

const BASE: &str = "the base layer";

/// An image on a base that all of them share: a configuration, the base, and a layer of its own.
fn on_base(name: &str) -> Image {
    ImageBuilder::new(name)
        .layer(BASE.as_bytes().to_vec())
        .layer(format!("layer of {name}").into_bytes())
        .build()
}

fn base() -> Digest {
    Digest::of(BASE.as_bytes())
}

fn counts(copied: u32, mounted: u32, present: u32) -> BlobCounts {
    BlobCounts {
        copied,
        mounted,
        present,
    }
}

/// Puts `on_base(name)` at the source, and makes the job that copies it.
fn hold(house: &House, name: &str) -> Job {
    let source = format!("source.test/{name}:1");
    house.registries.hold(&source, &on_base(name));
    job(&source, &format!("cache.test/{name}:1"))
}

#[tokio::test(start_paused = true)]
async fn a_shared_layer_is_sent_once_and_mounted_after() {
    let mut house = House::new();
    house.settings.slots = 30;
    let jobs: Vec<_> = (0..30).map(|n| hold(&house, &format!("app{n}"))).collect();
    let ran = house.work(jobs).await;
    assert!(ran.results.iter().all(|r| r.entry.action == Action::Pulled));
    let base = base();
    assert_eq!(
        house.registries.count(&format!("GET source blob {base}")),
        1
    );
    assert_eq!(
        house.registries.count(&format!("PUT target blob {base}")),
        1
    );
    assert_eq!(
        house.registries.count(&format!("POST target blob {base}")),
        30
    );
    let mounted: u32 = ran.results.iter().map(|r| r.entry.blobs.mounted).sum();
    assert_eq!(mounted, 29);
    assert_eq!(house.registries.count("HEAD target blob"), 0);
    assert!(house.registries.written_incomplete().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_several_sources_have_is_sent_once() {
    let house = House::new();
    let jobs: Vec<_> = (0..8)
        .map(|n| {
            let source = format!("source{n}.test/app:1");
            house.registries.hold(&source, &on_base(&format!("app{n}")));
            job(&source, &format!("cache.test/app{n}:1"))
        })
        .collect();
    let ran = house.work(jobs).await;
    assert!(ran.results.iter().all(|r| r.entry.action == Action::Pulled));
    let sent = house
        .registries
        .count(&format!("PUT target blob {}", base()));
    assert_eq!(sent, 1);
}

#[tokio::test(start_paused = true)]
async fn when_the_sender_fails_another_takes_over() {
    let house = House::new();
    let jobs = [hold(&house, "one"), hold(&house, "two")];
    let class = FailureClass::Denied;
    house
        .registries
        .fail(Call::CopyBlob, base().as_str(), Side::Source, class, 1);
    let ran = house.work(jobs).await;
    let actions = ran.results.iter().map(|r| r.entry.action);
    let failed = actions.filter(|action| *action == Action::Failed).count();
    assert_eq!(failed, 1, "the sender alone");
    let base = base();
    assert_eq!(
        house.registries.count(&format!("GET source blob {base}")),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_hangs_does_not_hold_up_the_others() {
    let house = House::new();
    let gate = house.registries.gate(Call::CopyBlob, base().as_str());
    let at_work = house.start();
    let one = hold(&house, "one");
    let (hung, _) = house.publish(Lane::Bulk, [one]).await;
    gate.arrived().await;
    let two = hold(&house, "two");
    let (other, expected) = house.publish(Lane::Bulk, [two]).await;
    let ran = house.results(&other, expected).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    gate.open();
    let ran = house.results(&hung, 1).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    at_work.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_this_process_put_there_is_not_asked_for() {
    let house = House::new();
    let first = hold(&house, "app");
    house
        .registries
        .hold("source.test/app:2", &on_base("app again"));
    let (worker, _) = house.work_with(house.worker(), [first]).await;
    house.registries.forget_requests();
    let second = job("source.test/app:2", "cache.test/app:2");
    let (_, ran) = house.work_with(worker, [second]).await;
    assert_eq!(ran.only().entry.blobs, counts(2, 0, 1));
    let base = base();
    assert_eq!(house.registries.count(&format!("blob {base}")), 0);
    assert_eq!(house.registries.count("HEAD target blob"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_tag_finds_by_mounting_what_the_repository_has() {
    let house = House::new();
    house.registries.hold("cache.test/app:old", &on_base("old"));
    let ran = house.work([hold(&house, "app")]).await;
    assert_eq!(ran.only().entry.blobs, counts(2, 0, 1));
    assert_eq!(
        house
            .registries
            .count("POST target blob from=cache.test/app"),
        3
    );
    assert_eq!(house.registries.count("GET source blob"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_moved_tag_asks_for_each_blob() {
    let house = House::new();
    house.registries.hold("cache.test/app:1", &on_base("old"));
    let ran = house.work([hold(&house, "app")]).await;
    assert_eq!(ran.only().entry.blobs, counts(2, 0, 1));
    assert_eq!(house.registries.count("HEAD target blob"), 3);
    assert_eq!(house.registries.count("POST target blob"), 2);
    assert_eq!(house.registries.count("from="), 0);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_refuses_mounts_is_not_asked_again() {
    let mut house = House::new();
    house.settings.slots = 1;
    house.registries.mount_nothing("cache.test");
    let jobs: Vec<_> = (0..4).map(|n| hold(&house, &format!("app{n}"))).collect();
    let ran = house.work(jobs).await;
    for result in &ran.results {
        assert_eq!(result.entry.blobs, counts(3, 0, 0));
    }
    let from_another = house.registries.count(&format!("POST {} from=", base()));
    assert_eq!(from_another, 2, "the first image's own try, and one mount");
    let asked = house.registries.count("HEAD target blob");
    assert_eq!(asked, 6, "the third image and the fourth");
}

#[tokio::test(start_paused = true)]
async fn folders_always_link() {
    let mut house = House::new();
    house.settings.slots = 1;
    house.registries.hold("oci:/from/one:1", &on_base("one"));
    house.registries.hold("oci:/from/two:1", &on_base("two"));
    let jobs = [
        job("oci:/from/one:1", "oci:/to/one:1"),
        job("oci:/from/two:1", "oci:/to/two:1"),
    ];
    let ran = house.work(jobs).await;
    assert_eq!(ran.results[1].entry.blobs, counts(2, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_was_collected_meanwhile_is_sent_again() {
    let house = House::new();
    house.registries.verify();
    let first = hold(&house, "app");
    house
        .registries
        .hold("source.test/app:2", &on_base("app again"));
    let (worker, _) = house.work_with(house.worker(), [first]).await;
    house.registries.lose_blob("cache.test/app", &base());
    house.registries.forget_requests();
    let second = job("source.test/app:2", "cache.test/app:2");
    let (_, ran) = house.work_with(worker, [second]).await;
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
    assert_eq!(entry.blobs, counts(3, 0, 0), "each counted once");
    assert_eq!(house.registries.count("HEAD target blob"), 3);
    let written = house.registries.count("PUT target manifest");
    assert_eq!(written, 3 + 1, "it is doubted after the tries in place");
    assert_eq!(house.registries.count("GET source manifest"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_was_said_to_be_mounted_and_is_not_there_is_sent() {
    let mut house = House::new();
    house.settings.slots = 1;
    house.registries.verify();
    house.registries.pretend_to_mount("cache.test");
    let jobs = [hold(&house, "one"), hold(&house, "two")];
    let ran = house.work(jobs).await;
    for result in &ran.results {
        let entry = &result.entry;
        assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
        assert_eq!(entry.blobs, counts(3, 0, 0), "each counted once");
    }
    let said = house.registries.count("POST target blob from=");
    assert_eq!(said, 3, "the second image asks for no mount");
    let written = house.registries.count("PUT target manifest");
    assert_eq!(written, 3 + 1 + 1, "nor is its manifest refused");
}

#[tokio::test(start_paused = true)]
async fn a_mount_that_is_pretended_within_the_registry_of_the_source_is_sent() {
    let house = House::new();
    house.registries.verify();
    house.registries.pretend_to_mount("cache.test");
    house
        .registries
        .hold("cache.test/upstream:1", &on_base("app"));
    let job = job("cache.test/upstream:1", "cache.test/app:1");
    let ran = house.work([job]).await;
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
    assert_eq!(entry.blobs, counts(3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_result_counts_what_all_attempts_sent_and_mounted() {
    let unavailable = (FailureClass::Unavailable, 3, 2);
    let limited = FailureClass::RateLimited {
        retry_after_ms: Some(1000),
    };
    for (class, times, attempts) in [unavailable, (limited, 1, 1)] {
        let mut house = House::new();
        house.settings.slots = 1;
        let (other, app) = (hold(&house, "other"), hold(&house, "app"));
        let manifest = Call::PushManifest;
        house
            .registries
            .fail(manifest, "cache.test/app", Side::Target, class, times);
        let ran = house.work([other, app]).await;
        let entry = &ran.results[1].entry;
        assert_eq!((entry.action, entry.attempts), (Action::Pulled, attempts));
        assert_eq!(entry.blobs, counts(2, 1, 0), "{class:?}");
        let image = on_base("app");
        let all: usize = image.blobs.iter().map(|blob| blob.bytes.len()).sum();
        let sent = (all - BASE.len()) as u64;
        assert_eq!(entry.bytes_copied, sent, "{class:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_there_before_a_first_attempt_is_present_after_the_last() {
    let house = House::new();
    house.registries.hold("cache.test/app:old", &on_base("old"));
    let app = hold(&house, "app");
    house.registries.fail(
        Call::PushManifest,
        "cache.test/app:1",
        Side::Target,
        FailureClass::Unavailable,
        3,
    );
    let ran = house.work([app]).await;
    assert_eq!(ran.only().entry.attempts, 2);
    assert_eq!(ran.only().entry.blobs, counts(2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_manifest_is_not_sent_twice_when_nothing_was_taken_for_granted() {
    let house = House::new();
    house.registries.hold("source.test/app:1", &image("app"));
    let target = "cache.test/app:1";
    let class = FailureClass::Invalid;
    house
        .registries
        .fail(Call::PushManifest, target, Side::Target, class, 9);
    let ran = house.work([job("source.test/app:1", target)]).await;
    assert_eq!(ran.only().class, Some(class));
    assert_eq!(house.registries.count("PUT target manifest"), 1);
}
