use std::sync::Arc;

use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::{Action, BlobCounts};
use image_sync_testkit::Image;
use image_sync_testkit::images::{ImageBuilder, image};

use crate::context::WorkerPorts;
use crate::tests::{Call, TestWorker, job};

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
fn put_image(fixture: &TestWorker, name: &str) -> Job {
    let source = format!("source.test/{name}:1");
    fixture.registries.put_image(&source, &on_base(name));
    job(&source, &format!("cache.test/{name}:1"))
}

#[tokio::test(start_paused = true)]
async fn a_shared_layer_is_sent_once_and_mounted_after() {
    let mut fixture = TestWorker::new();
    fixture.settings.slots = 30;
    let jobs: Vec<_> = (0..30)
        .map(|n| put_image(&fixture, &format!("app{n}")))
        .collect();
    let ran = fixture.work(jobs).await;
    assert!(ran.results.iter().all(|r| r.entry.action == Action::Pulled));
    let base = base();
    assert_eq!(
        fixture.registries.count(&format!("GET source blob {base}")),
        1
    );
    assert_eq!(
        fixture.registries.count(&format!("PUT target blob {base}")),
        1
    );
    assert_eq!(
        fixture
            .registries
            .count(&format!("POST target blob {base}")),
        30
    );
    let mounted: u32 = ran.results.iter().map(|r| r.entry.blobs.mounted).sum();
    assert_eq!(mounted, 29);
    assert_eq!(fixture.registries.count("HEAD target blob"), 0);
    assert!(fixture.registries.written_incomplete().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_several_sources_have_is_sent_once() {
    let fixture = TestWorker::new();
    let jobs: Vec<_> = (0..8)
        .map(|n| {
            let source = format!("source{n}.test/app:1");
            fixture
                .registries
                .put_image(&source, &on_base(&format!("app{n}")));
            job(&source, &format!("cache.test/app{n}:1"))
        })
        .collect();
    let ran = fixture.work(jobs).await;
    assert!(ran.results.iter().all(|r| r.entry.action == Action::Pulled));
    let sent = fixture
        .registries
        .count(&format!("PUT target blob {}", base()));
    assert_eq!(sent, 1);
}

#[tokio::test(start_paused = true)]
async fn workers_that_share_a_single_flight_and_what_is_known_send_a_layer_once() {
    let mut fixture = TestWorker::new();
    fixture.settings.slots = 1;
    let jobs = ["one", "two"].map(|name| put_image(&fixture, name));
    let ports = fixture.ports();
    let shared = || WorkerPorts {
        known_blobs: Arc::clone(&ports.known_blobs),
        single_flight: Arc::clone(&ports.single_flight),
        ..fixture.ports()
    };
    let (run, expected) = fixture.publish(Lane::Bulk, jobs).await;
    let workers = [shared(), shared()].map(|ports| fixture.start_with(ports));
    let ran = fixture.results(&run, expected).await;
    for worker in workers {
        worker.stop().await;
    }
    assert!(ran.results.iter().all(|r| r.entry.action == Action::Pulled));
    let sent = fixture
        .registries
        .count(&format!("PUT target blob {}", base()));
    assert_eq!(sent, 1);
}

#[tokio::test(start_paused = true)]
async fn when_the_leader_of_a_single_flight_fails_another_takes_over() {
    let fixture = TestWorker::new();
    let jobs = [put_image(&fixture, "one"), put_image(&fixture, "two")];
    let class = FailureClass::Denied;
    fixture
        .registries
        .fail(Call::CopyBlob, base().as_str(), Side::Source, class, 1);
    let ran = fixture.work(jobs).await;
    let actions = ran.results.iter().map(|r| r.entry.action);
    let failed = actions.filter(|action| *action == Action::Failed).count();
    assert_eq!(failed, 1, "the sender alone");
    let base = base();
    assert_eq!(
        fixture.registries.count(&format!("GET source blob {base}")),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn a_stalled_leader_of_a_single_flight_does_not_hold_up_the_others() {
    let fixture = TestWorker::new();
    let gate = fixture.registries.gate(Call::CopyBlob, base().as_str());
    let running = fixture.start();
    let one = put_image(&fixture, "one");
    let (hung, _) = fixture.publish(Lane::Bulk, [one]).await;
    gate.arrived().await;
    let two = put_image(&fixture, "two");
    let (other, expected) = fixture.publish(Lane::Bulk, [two]).await;
    let ran = fixture.results(&other, expected).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    gate.open();
    let ran = fixture.results(&hung, 1).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_this_process_put_there_is_not_asked_for() {
    let fixture = TestWorker::new();
    let first = put_image(&fixture, "app");
    fixture
        .registries
        .put_image("source.test/app:2", &on_base("app again"));
    let (worker, _) = fixture.work_with(fixture.worker(), [first]).await;
    fixture.registries.forget_requests();
    let second = job("source.test/app:2", "cache.test/app:2");
    let (_, ran) = fixture.work_with(worker, [second]).await;
    assert_eq!(ran.only().entry.blobs, counts(2, 0, 1));
    let base = base();
    assert_eq!(fixture.registries.count(&format!("blob {base}")), 0);
    assert_eq!(fixture.registries.count("HEAD target blob"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_tag_finds_by_mount_what_the_repository_has() {
    let fixture = TestWorker::new();
    fixture
        .registries
        .put_image("cache.test/app:old", &on_base("old"));
    let ran = fixture.work([put_image(&fixture, "app")]).await;
    assert_eq!(ran.only().entry.blobs, counts(2, 0, 1));
    assert_eq!(
        fixture
            .registries
            .count("POST target blob from=cache.test/app"),
        3
    );
    assert_eq!(fixture.registries.count("GET source blob"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_moved_tag_asks_for_each_blob() {
    let fixture = TestWorker::new();
    fixture
        .registries
        .put_image("cache.test/app:1", &on_base("old"));
    let ran = fixture.work([put_image(&fixture, "app")]).await;
    assert_eq!(ran.only().entry.blobs, counts(2, 0, 1));
    assert_eq!(fixture.registries.count("HEAD target blob"), 3);
    assert_eq!(fixture.registries.count("POST target blob"), 2);
    assert_eq!(fixture.registries.count("from="), 0);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_refuses_a_mount_is_not_asked_again() {
    let mut fixture = TestWorker::new();
    fixture.settings.slots = 1;
    fixture.registries.mount_nothing("cache.test");
    let jobs: Vec<_> = (0..4)
        .map(|n| put_image(&fixture, &format!("app{n}")))
        .collect();
    let ran = fixture.work(jobs).await;
    for result in &ran.results {
        assert_eq!(result.entry.blobs, counts(3, 0, 0));
    }
    let from_another = fixture.registries.count(&format!("POST {} from=", base()));
    assert_eq!(from_another, 2, "the first image's own try, and one mount");
    let asked = fixture.registries.count("HEAD target blob");
    assert_eq!(asked, 6, "the third image and the fourth");
}

#[tokio::test(start_paused = true)]
async fn folders_always_link() {
    let mut fixture = TestWorker::new();
    fixture.settings.slots = 1;
    fixture
        .registries
        .put_image("oci:/from/one:1", &on_base("one"));
    fixture
        .registries
        .put_image("oci:/from/two:1", &on_base("two"));
    let jobs = [
        job("oci:/from/one:1", "oci:/to/one:1"),
        job("oci:/from/two:1", "oci:/to/two:1"),
    ];
    let ran = fixture.work(jobs).await;
    assert_eq!(ran.results[1].entry.blobs, counts(2, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_garbage_collection_took_meanwhile_is_sent_again() {
    let fixture = TestWorker::new();
    fixture.registries.verify();
    let first = put_image(&fixture, "app");
    fixture
        .registries
        .put_image("source.test/app:2", &on_base("app again"));
    let (worker, _) = fixture.work_with(fixture.worker(), [first]).await;
    fixture.registries.lose_blob("cache.test/app", &base());
    fixture.registries.forget_requests();
    let second = job("source.test/app:2", "cache.test/app:2");
    let (_, ran) = fixture.work_with(worker, [second]).await;
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
    assert_eq!(entry.blobs, counts(3, 0, 0), "each counted once");
    assert_eq!(fixture.registries.count("HEAD target blob"), 3);
    let written = fixture.registries.count("PUT target manifest");
    assert_eq!(written, 3 + 1, "it is doubted after the tries in place");
    assert_eq!(fixture.registries.count("GET source manifest"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_blob_whose_mount_was_pretended_is_sent() {
    let mut fixture = TestWorker::new();
    fixture.settings.slots = 1;
    fixture.registries.verify();
    fixture.registries.pretend_to_mount("cache.test");
    let jobs = [put_image(&fixture, "one"), put_image(&fixture, "two")];
    let ran = fixture.work(jobs).await;
    for result in &ran.results {
        let entry = &result.entry;
        assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
        assert_eq!(entry.blobs, counts(3, 0, 0), "each counted once");
    }
    let said = fixture.registries.count("POST target blob from=");
    assert_eq!(said, 3, "the second image asks for no mount");
    let written = fixture.registries.count("PUT target manifest");
    assert_eq!(written, 3 + 1 + 1, "nor is its manifest refused");
}

#[tokio::test(start_paused = true)]
async fn a_pretended_mount_within_the_registry_of_the_source_is_sent() {
    let fixture = TestWorker::new();
    fixture.registries.verify();
    fixture.registries.pretend_to_mount("cache.test");
    fixture
        .registries
        .put_image("cache.test/upstream:1", &on_base("app"));
    let job = job("cache.test/upstream:1", "cache.test/app:1");
    let ran = fixture.work([job]).await;
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
        let mut fixture = TestWorker::new();
        fixture.settings.slots = 1;
        let (other, app) = (put_image(&fixture, "other"), put_image(&fixture, "app"));
        let manifest = Call::PushManifest;
        fixture
            .registries
            .fail(manifest, "cache.test/app", Side::Target, class, times);
        let ran = fixture.work([other, app]).await;
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
    let fixture = TestWorker::new();
    fixture
        .registries
        .put_image("cache.test/app:old", &on_base("old"));
    let app = put_image(&fixture, "app");
    fixture.registries.fail(
        Call::PushManifest,
        "cache.test/app:1",
        Side::Target,
        FailureClass::Unavailable,
        3,
    );
    let ran = fixture.work([app]).await;
    assert_eq!(ran.only().entry.attempts, 2);
    assert_eq!(ran.only().entry.blobs, counts(2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_manifest_is_not_sent_twice_when_nothing_was_taken_for_granted() {
    let fixture = TestWorker::new();
    fixture
        .registries
        .put_image("source.test/app:1", &image("app"));
    let target = "cache.test/app:1";
    let class = FailureClass::Invalid;
    fixture
        .registries
        .fail(Call::PushManifest, target, Side::Target, class, 9);
    let ran = fixture.work([job("source.test/app:1", target)]).await;
    assert_eq!(ran.only().class, Some(class));
    assert_eq!(fixture.registries.count("PUT target manifest"), 1);
}
