use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::{Action, WouldCopy};
use image_sync_testkit::images::{image_with_layers, index};

use crate::tests::{TestWorker, job};

const SOURCE: &str = "source.test/app:1";
const TARGET: &str = "cache.test/app:1";

fn dry() -> Job {
    let mut job = job(SOURCE, TARGET);
    job.policy.dry_run = true;
    job
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_what_it_would_copy_and_only_reads() {
    let fixture = TestWorker::new();
    let image = image_with_layers("app", 2, 100);
    fixture.registries.put_image(SOURCE, &image);
    let other = image_with_layers("app", 1, 100);
    fixture.registries.put_image("cache.test/app:0", &other);
    let ran = fixture.work([dry()]).await;
    let entry = &ran.only().entry;
    assert_eq!(entry.action, Action::Skipped);
    assert_eq!((entry.bytes_copied, entry.blobs.present), (0, 1));
    let missing = [image.blobs[0].bytes.len(), 100, image.bytes().len()];
    let expected = WouldCopy {
        blobs: 2,
        bytes: missing.iter().sum::<usize>() as u64,
        artifacts: 0,
    };
    assert_eq!(entry.would_copy, Some(expected));
    let requests = fixture.registries.requests();
    let reads = |request: &String| request.starts_with("GET") || request.starts_with("HEAD");
    assert!(requests.iter().all(reads), "{requests:#?}");
    assert_eq!(fixture.registries.count("HEAD target blob"), 3);
    assert_eq!(fixture.registries.count("GET source blob"), 0);
    assert_eq!(fixture.registries.tag(TARGET), None);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_of_an_updated_index_counts_only_what_is_new() {
    let fixture = TestWorker::new();
    let old = index("app", &["linux/amd64"]);
    let new = index("app", &["linux/amd64", "linux/arm64"]);
    fixture.registries.put_image(TARGET, &old);
    fixture.registries.put_image(SOURCE, &new);
    let ran = fixture.work([dry()]).await;
    let child = new.child("linux/arm64").unwrap();
    let blobs: usize = child.blobs.iter().map(|blob| blob.bytes.len()).sum();
    let expected = WouldCopy {
        blobs: 3,
        bytes: (blobs + child.bytes().len() + new.bytes().len()) as u64,
        artifacts: 0,
    };
    assert_eq!(ran.only().entry.would_copy, Some(expected));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_that_an_image_is_up_to_date() {
    let fixture = TestWorker::new();
    let image = image_with_layers("app", 2, 100);
    fixture.registries.put_image(SOURCE, &image);
    fixture.registries.put_image(TARGET, &image);
    let ran = fixture.work([dry()]).await;
    assert_eq!(ran.only().entry.action, Action::AlreadyCached);
    assert_eq!(ran.only().entry.would_copy, None);
}

#[tokio::test(start_paused = true)]
async fn a_failed_dry_run_leaves_no_dead_letter() {
    let fixture = TestWorker::new();
    let ran = fixture.work([dry()]).await;
    assert_eq!(ran.only().entry.action, Action::Failed);
    assert!(fixture.dead_letters().await.is_empty());
}
