use std::time::Duration;

use image_sync_shared::failure::{FailureClass as C, Side};
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::images::{image, image_with_layers, schema1};

use crate::tests::{Call, TestWorker, job};

const SOURCE: &str = "source.test/app:1";
const TARGET: &str = "cache.test/app:1";

/// What a failure that never passes leads to: attempts of the job, and requests in all.
async fn outcome_of(call: Call, class: C) -> (u32, usize) {
    let fixture = TestWorker::new();
    let image = image("app");
    fixture.registries.put_image(SOURCE, &image);
    let (side, about, request) = match call {
        Call::Resolve => (Side::Source, SOURCE.to_owned(), "HEAD source manifest"),
        Call::PullManifest => (
            Side::Source,
            image.digest().to_string(),
            "GET source manifest",
        ),
        Call::PushManifest => (Side::Target, TARGET.to_owned(), "PUT target manifest"),
        _ => (
            Side::Source,
            image.blobs[0].digest.to_string(),
            "GET source blob",
        ),
    };
    fixture
        .registries
        .fail(call, &about, side, class, usize::MAX);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let result = ran.only();
    assert_eq!(result.entry.action, Action::Failed);
    // Older releases read results too, and know no class for what may pass within a moment.
    let written = match class {
        C::Inconsistent => C::Unavailable,
        class => class,
    };
    assert_eq!(result.class, Some(written));
    assert_eq!(fixture.registries.tag(TARGET), None);
    assert_eq!(ran.attempts.len() + 1, result.entry.attempts as usize);
    let error = result.entry.error.as_deref().unwrap();
    assert!(error.starts_with(&side.to_string()), "{error}");
    let letters = fixture.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, error);
    let words = match call {
        Call::CopyBlob => format!("{request} {about}"),
        _ => request.to_owned(),
    };
    (result.entry.attempts, fixture.registries.count(&words))
}

const CALLS: [Call; 4] = [
    Call::Resolve,
    Call::PullManifest,
    Call::CopyBlob,
    Call::PushManifest,
];

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_not_retried() {
    for class in [
        C::NotFound,
        C::Unauthorized,
        C::Denied,
        C::Invalid,
        C::ImmutableTag,
        C::Local,
    ] {
        for call in CALLS {
            // What a source does not have may have moved, or not have come yet: see the tests of what is unserved.
            if class == C::NotFound && matches!(call, Call::PullManifest | Call::CopyBlob) {
                continue;
            }
            assert_eq!(outcome_of(call, class).await, (1, 1), "{call:?} {class:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_retried_at_once_and_then_put_back_with_backoff() {
    for class in [
        C::Unavailable,
        C::Inconsistent,
        C::Timeout,
        C::Connection,
        C::DigestMismatch,
    ] {
        for call in CALLS {
            let requests = match (call, class) {
                // What the attempt before has sent may be what is missing: it is looked for, and the manifest sent again.
                (Call::PushManifest, C::Inconsistent) => 3 + 3 * (2 * 3),
                _ => 4 * 3,
            };
            let outcome = outcome_of(call, class).await;
            assert_eq!(outcome, (4, requests), "{call:?} {class:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_succeeds_is_not_seen_in_the_report() {
    let fixture = TestWorker::new();
    let image = image("app");
    fixture.registries.put_image(SOURCE, &image);
    let layer = &image.blobs[1].digest;
    fixture.registries.fail(
        Call::CopyBlob,
        layer.as_str(),
        Side::Target,
        C::Unavailable,
        2,
    );
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
    assert_eq!(entry.error, None);
}

#[tokio::test(start_paused = true)]
async fn a_longer_outage_takes_another_attempt() {
    let fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &image("app"));
    fixture
        .registries
        .fail(Call::Resolve, SOURCE, Side::Source, C::Connection, 3);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 2));
    let (idx, attempt, error) = &ran.attempts[0];
    assert_eq!((*idx, *attempt), (0, 1));
    assert_eq!(error, "source: check source.test/app:1: staged");
    assert_eq!(fixture.events(&ran.run).await, 2, "one attempt, one result");
}

#[tokio::test(start_paused = true)]
async fn a_result_tells_how_long_all_attempts_took() {
    let fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &image("app"));
    let slow = fixture.registries.gate(Call::PullManifest, "app");
    fixture
        .registries
        .fail(Call::PushManifest, TARGET, Side::Target, C::Connection, 3);
    let before = fixture.clock.now();
    let (ran, ()) = tokio::join!(fixture.work([job(SOURCE, TARGET)]), async {
        slow.arrived().await;
        tokio::time::sleep(Duration::from_secs(100)).await;
        slow.open();
    });
    let entry = &ran.only().entry;
    assert_eq!(entry.attempts, 2);
    let took = Duration::from_millis(entry.duration_ms);
    assert!(took >= Duration::from_secs(100), "{took:?}");
    assert!(
        took < fixture.clock.now() - before,
        "the wait in between is none"
    );
}

#[tokio::test(start_paused = true)]
async fn attempts_used_up_are_told() {
    let fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &image("app"));
    fixture
        .registries
        .fail(Call::Resolve, SOURCE, Side::Source, C::Timeout, usize::MAX);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    assert_eq!(
        ran.only().entry.error.as_deref(),
        Some("source: check source.test/app:1: staged (attempt 4)")
    );
    let letters = fixture.dead_letters().await;
    let kept = letters[0].job.as_ref().unwrap();
    assert_eq!((kept.attempt, kept.history.len()), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn a_404_of_the_source_tag_is_told_apart() {
    let fixture = TestWorker::new();
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let result = ran.only();
    assert_eq!(result.class, Some(C::NotFound));
    assert_eq!(
        result.entry.error.as_deref(),
        Some(
            "source: check source.test/app:1: not found: the repository is not there, or has no tags"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn tags_that_are_missing_in_one_repository_cost_one_listing_and_what_is_there_none() {
    let fixture = TestWorker::new();
    fixture
        .registries
        .put_image("source.test/app:1.27", &image("app"));
    let missing = (3..9).map(|n| job(&format!("source.test/app:1.{n}7"), TARGET));
    let ran = fixture.work(missing).await;
    for result in &ran.results {
        let error = result.entry.error.as_deref().unwrap();
        assert!(error.contains("like it are 1.27"), "{error}");
    }
    assert_eq!(fixture.registries.count("GET source tags"), 1);
    fixture.registries.forget_requests();
    fixture.work([job("source.test/app:1.27", TARGET)]).await;
    assert_eq!(fixture.registries.count("tags"), 0);
}

#[tokio::test(start_paused = true)]
async fn schema_1_is_a_clear_failure() {
    let fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &schema1("old"));
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let error = ran.only().entry.error.as_deref().unwrap();
    assert!(error.contains("Docker schema 1"), "{error}");
    assert_eq!(fixture.registries.count("blob"), 0);
}

#[tokio::test(start_paused = true)]
async fn one_bad_image_fails_alone() {
    let fixture = TestWorker::new();
    let jobs: Vec<_> = (0..10)
        .map(|n| {
            let source = format!("source.test/app{n}:1");
            fixture
                .registries
                .put_image(&source, &image(&format!("app{n}")));
            job(&source, &format!("cache.test/app{n}:1"))
        })
        .collect();
    fixture
        .registries
        .fail(Call::PullManifest, "app3", Side::Source, C::Denied, 1);
    let ran = fixture.work(jobs).await;
    for result in &ran.results {
        let failed = result.entry.action == Action::Failed;
        assert_eq!(failed, result.idx == 3, "{result:?}");
    }
    assert!(fixture.registries.written_incomplete().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_of_a_blob_lets_those_in_flight_finish() {
    let fixture = TestWorker::new();
    let image = image("app");
    fixture.registries.put_image(SOURCE, &image);
    let (bad, slow) = (&image.blobs[0].digest, &image.blobs[1].digest);
    let gate = fixture.registries.gate(Call::CopyBlob, slow.as_str());
    fixture.registries.fail(
        Call::CopyBlob,
        bad.as_str(),
        Side::Source,
        C::Unavailable,
        3,
    );
    let (ran, ()) = tokio::join!(fixture.work([job(SOURCE, TARGET)]), async {
        gate.arrived().await;
        tokio::time::sleep(std::time::Duration::from_secs(30)).await;
        gate.open();
    });
    let entry = &ran.only().entry;
    assert_eq!((entry.action, entry.attempts), (Action::Pulled, 2));
    let sent = fixture.registries.count(&format!("GET source blob {slow}"));
    assert_eq!(sent, 1, "it was not cut");
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_blob_no_further_one_is_begun() {
    let mut fixture = TestWorker::new();
    fixture.settings.blob_concurrency = 1;
    let image = image_with_layers("app", 9, 100);
    fixture.registries.put_image(SOURCE, &image);
    let bad = image.blobs[1].digest.as_str();
    fixture
        .registries
        .fail(Call::CopyBlob, bad, Side::Source, C::Timeout, usize::MAX);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    assert_eq!(ran.only().entry.attempts, 4);
    assert_eq!(fixture.registries.count("GET source blob"), 1 + 4 * 3);
}
