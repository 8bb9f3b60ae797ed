use std::sync::Arc;
use std::time::Duration;

use image_sync_queue::memo::MemoryMemo;
use image_sync_shared::failure::FailureClass;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::memo::{Fact, Memo as _};
use image_sync_shared::run::job::{Job, PlatformMissing};
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::Image;
use image_sync_testkit::images::{image, index, index_with_attestations};

use crate::tests::{TestWorker, job};

const SOURCE: &str = "source.test/app:1";
const TARGET: &str = "cache.test/app:1";
const DAY: Duration = Duration::from_secs(86_400);
const THREE: [&str; 3] = ["linux/amd64", "linux/arm64", "linux/s390x"];

fn for_platforms(platforms: &str) -> Job {
    Job {
        platforms: platforms.parse().unwrap(),
        ..job(SOURCE, TARGET)
    }
}

fn chosen(index: &Image, platforms: &str) -> Fact {
    Fact::Chosen {
        index: index.digest().clone(),
        platforms: platforms.parse().unwrap(),
        missing: PlatformMissing::Fail,
    }
}

#[tokio::test(start_paused = true)]
async fn one_platform_takes_two_requests_from_the_second_run_on() {
    let fixture = TestWorker::new();
    let index = index("app", &THREE);
    fixture.registries.put_image(SOURCE, &index);
    let child = index.child("linux/arm64").unwrap().digest();
    let ran = fixture.work([for_platforms("linux/arm64")]).await;
    let entry = &ran.only().entry;
    assert_eq!(entry.action, Action::Pulled);
    assert_eq!(entry.remote_digest.as_ref(), Some(index.digest()));
    assert_eq!(entry.expected_digest.as_ref(), Some(child));
    assert_eq!(entry.platform, "linux/arm64");
    assert_eq!(fixture.registries.tag(TARGET).as_ref(), Some(child));

    fixture.registries.forget_requests();
    let ran = fixture.work([for_platforms("linux/arm64")]).await;
    let entry = &ran.only().entry;
    assert_eq!(entry.action, Action::AlreadyCached);
    assert_eq!(entry.expected_digest.as_ref(), Some(child));
    assert_eq!(fixture.registries.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_memo_costs_one_request() {
    let mut fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &index("app", &THREE));
    fixture.work([for_platforms("linux/arm64")]).await;
    fixture.memo = Arc::default();
    fixture.registries.forget_requests();
    let ran = fixture.work([for_platforms("linux/arm64")]).await;
    assert_eq!(ran.only().entry.action, Action::AlreadyCached);
    assert_eq!(fixture.registries.requests().len(), 3);
    fixture.registries.forget_requests();
    fixture.work([for_platforms("linux/arm64")]).await;
    assert_eq!(
        fixture.registries.requests().len(),
        2,
        "it is remembered anew"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_proven_anew_after_some_days_for_one_request() {
    let fixture = TestWorker::new();
    let index = index("app", &THREE);
    fixture.registries.put_image(SOURCE, &index);
    fixture.work([for_platforms("linux/arm64")]).await;
    let requests = async || {
        fixture.registries.forget_requests();
        let ran = fixture.work([for_platforms("linux/arm64")]).await;
        assert_eq!(ran.only().entry.action, Action::AlreadyCached);
        fixture.registries.requests().len()
    };
    assert_eq!(requests().await, 2);
    tokio::time::advance(DAY * 8).await;
    assert_eq!(requests().await, 3);
    assert_eq!(requests().await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_fact_does_not_keep_an_image_out_of_date_for_ever() {
    let fixture = TestWorker::new();
    let (old, new) = (index("old", &THREE), index("new", &THREE));
    fixture.registries.put_image(SOURCE, &old);
    fixture.work([for_platforms("linux/arm64")]).await;
    let child = |index: &Image| index.child("linux/arm64").unwrap().digest().clone();
    let fact = chosen(&new, "linux/arm64");
    fixture
        .memo
        .remember(&fact, &child(&old), fixture.clock.now())
        .await;
    fixture.registries.put_image(SOURCE, &new);
    fixture.work([for_platforms("linux/arm64")]).await;
    assert_eq!(fixture.registries.tag(TARGET), Some(child(&old)));
    tokio::time::advance(DAY * 8).await;
    let ran = fixture.work([for_platforms("linux/arm64")]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert_eq!(fixture.registries.tag(TARGET), Some(child(&new)));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_memo_never_decides_what_is_written() {
    let fixture = TestWorker::new();
    let index = index("app", &THREE);
    fixture.registries.put_image(SOURCE, &index);
    let wrong = index.child("linux/s390x").unwrap().digest();
    let fact = chosen(&index, "linux/arm64");
    fixture
        .memo
        .remember(&fact, wrong, fixture.clock.now())
        .await;
    let ran = fixture.work([for_platforms("linux/arm64")]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    let right = index
        .child("linux/arm64")
        .map(|child| child.digest().clone());
    assert_eq!(fixture.registries.tag(TARGET), right);
    let recalled = fixture.memo.recall(&fact, fixture.clock.now()).await;
    assert_eq!(recalled, right);
}

#[tokio::test(start_paused = true)]
async fn two_platforms_of_three_make_a_stable_index() {
    let fixture = TestWorker::new();
    let index = index_with_attestations("app", &THREE);
    fixture.registries.put_image(SOURCE, &index);
    let two = "linux/amd64,linux/arm64";
    let ran = fixture.work([for_platforms(two)]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert!(fixture.registries.written_incomplete().is_empty());
    let first = fixture.registries.tag(TARGET).unwrap();
    assert_ne!(first, *index.digest());

    let mut other_fixture = TestWorker::new();
    other_fixture.registries = Arc::clone(&fixture.registries);
    other_fixture.memo = Arc::new(MemoryMemo::default());
    fixture.registries.forget_requests();
    let again = other_fixture.work([for_platforms(two)]).await;
    assert_eq!(again.only().entry.action, Action::AlreadyCached);
    assert_eq!(again.only().entry.expected_digest.as_ref(), Some(&first));
    assert_eq!(fixture.registries.requests().len(), 3);
    let manifests = fixture
        .registries
        .manifest("cache.test/app", &first)
        .unwrap();
    let text = String::from_utf8(manifests.bytes.to_vec()).unwrap();
    assert_eq!(
        text.matches("\"digest\"").count(),
        4,
        "two attestations too"
    );
}

#[tokio::test(start_paused = true)]
async fn all_platforms_of_the_index_are_the_index() {
    let fixture = TestWorker::new();
    let index = index("app", &THREE);
    fixture.registries.put_image(SOURCE, &index);
    fixture.work([for_platforms(&THREE.join(","))]).await;
    assert_eq!(
        fixture.registries.tag(TARGET).as_ref(),
        Some(index.digest())
    );
}

#[tokio::test(start_paused = true)]
async fn a_single_manifest_is_taken_for_any_platform() {
    let fixture = TestWorker::new();
    let image = image("app");
    fixture.registries.put_image(SOURCE, &image);
    fixture.work([for_platforms("linux/arm64")]).await;
    assert_eq!(
        fixture.registries.tag(TARGET).as_ref(),
        Some(image.digest())
    );
    assert_eq!(fixture.registries.count("GET source manifest"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_missing_platform_fails_and_tells_what_there_is() {
    let fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &index("app", &THREE));
    let ran = fixture.work([for_platforms("linux/riscv64")]).await;
    let result = ran.only();
    assert_eq!(result.class, Some(FailureClass::NotFound));
    let error = result.entry.error.as_deref().unwrap();
    assert!(
        error.starts_with("source: choose platform sha256:"),
        "{error}"
    );
    assert!(
        error.ends_with("only for linux/amd64, linux/arm64, linux/s390x"),
        "{error}"
    );
    let nothing: Option<Digest> = fixture.registries.tag("cache.test/app:1");
    assert_eq!(nothing, None);
}

fn with_what_there_is(platforms: &str) -> Job {
    let mut job = for_platforms(platforms);
    job.policy.image.platform_missing = PlatformMissing::Skip;
    job
}

#[tokio::test(start_paused = true)]
async fn platforms_that_are_missing_are_skipped_where_the_policy_says_so() {
    let fixture = TestWorker::new();
    let index = index("app", &THREE);
    fixture.registries.put_image(SOURCE, &index);
    let wanted = "linux/amd64,linux/s390x,windows/amd64";
    let ran = fixture.work([with_what_there_is(wanted)]).await;
    let entry = &ran.only().entry;
    assert_eq!(entry.action, Action::Pulled);
    let note = entry.note.as_deref();
    assert_eq!(
        note,
        Some("platform_missing: skip; there is no windows/amd64")
    );
    let digest = fixture.registries.tag(TARGET).unwrap();
    let there = fixture
        .registries
        .manifest("cache.test/app", &digest)
        .unwrap();
    let text = String::from_utf8(there.bytes.to_vec()).unwrap();
    assert!(text.contains("s390x") && !text.contains("arm64"), "{text}");

    fixture.registries.forget_requests();
    let ran = fixture.work([with_what_there_is(wanted)]).await;
    assert_eq!(ran.only().entry.action, Action::AlreadyCached);
    assert_eq!(fixture.registries.requests().len(), 2, "it is remembered");
    let ran = fixture.work([for_platforms(wanted)]).await;
    let error = ran.only().entry.error.clone().unwrap();
    assert!(
        error.contains("windows/amd64"),
        "what is remembered of skipping is not taken for all: {error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_image_without_any_of_the_platforms_is_left_out_where_the_policy_says_so() {
    for wanted in ["windows/amd64", "plan9/386,windows/amd64"] {
        let fixture = TestWorker::new();
        fixture.registries.put_image(SOURCE, &index("app", &THREE));
        let ran = fixture.work([with_what_there_is(wanted)]).await;
        let entry = &ran.only().entry;
        assert_eq!(entry.action, Action::Kept);
        assert!(entry.note.as_ref().unwrap().contains(wanted), "{entry:?}");
        assert_eq!(fixture.registries.tag(TARGET), None);
    }
}
