//! Refusals and broken connections, as they are reported.

use image_sync_shared::failure::{FailureClass, Side, Step};
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule};

use crate::support::{RouterBuilder, put_app, resolve_app, router, source, tag, target};

async fn registry() -> FakeRegistry {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    registry
}

#[tokio::test]
async fn each_refusal_has_its_class() {
    let registry = registry().await;
    let router = router();
    for (status, class) in [
        (400, FailureClass::Invalid),
        (401, FailureClass::Unauthorized),
        (403, FailureClass::Denied),
        (408, FailureClass::Timeout),
        (500, FailureClass::Unavailable),
        (503, FailureClass::Unavailable),
    ] {
        registry.clear_faults();
        registry.stage(Rule::new("*", "*"), Fault::status(status));
        let failure = router
            .pull_manifest(&source(registry.host(), "app"), &tag("v1"))
            .await
            .unwrap_err();
        assert_eq!(failure.class, class, "{failure}");
        assert_eq!(
            (failure.side, failure.step),
            (Side::Source, Step::PullManifest)
        );
        let answer = format!("{status} ");
        assert!(failure.answer.starts_with(&answer), "{failure}");
        assert!(
            failure.answer.contains("UNKNOWN: staged by the test"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_429_says_how_long_to_wait() {
    let registry = registry().await;
    let router = router();
    for (retry_after, milliseconds) in [
        (Some("120"), Some(120_000)),
        (Some("Fri, 20 Nov 2026 13:00:00 GMT"), Some(3_600_000)),
        (Some("Fri, 20 Nov 2026 11:00:00 GMT"), Some(0)),
        (Some("later"), None),
        (None, None),
    ] {
        registry.clear_faults();
        registry.stage(Rule::new("*", "*"), Fault::rate_limited(retry_after));
        let failure = resolve_app(&router, registry.host()).await.unwrap_err();
        let expected = FailureClass::RateLimited {
            retry_after_ms: milliseconds,
        };
        assert_eq!(failure.class, expected, "{retry_after:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_is_told() {
    let registry = registry().await;
    let router = router();
    // So that the cut is not the first thing that the registry does.
    resolve_app(&router, registry.host()).await.unwrap();
    for fault in [
        Fault::reset(At::Headers),
        Fault::close(At::Headers),
        Fault::reset(At::MidHeaders),
        Fault::close(At::MidHeaders),
    ] {
        registry.clear_faults();
        registry.stage(Rule::new("*", "*"), fault.clone());
        for at in [
            source(registry.host(), "app"),
            target(registry.host(), "app"),
        ] {
            let failure = router.resolve(&at, &tag("v1")).await.unwrap_err();
            assert_eq!(
                (failure.class, failure.side),
                (FailureClass::Connection, at.side),
                "{fault:?}"
            );
            assert!(failure.answer.contains(registry.host()), "{failure}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_timeout() {
    let registry = registry().await;
    let gate = Gate::new();
    for fault in [
        Fault::hold(&gate),
        Fault::stall(At::Headers, &gate),
        Fault::stall(At::MidHeaders, &gate),
    ] {
        registry.clear_faults();
        registry.stage(Rule::new("*", "*"), fault);
        let router = RouterBuilder::new().impatient().router();
        let failure = resolve_app(&router, registry.host()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Timeout);
        assert_eq!(
            failure.answer,
            format!("no answer of {} within 1 s", registry.host())
        );
    }
    gate.release();
}

#[tokio::test]
async fn a_refusal_whose_words_do_not_come_is_told_all_the_same() {
    let registry = registry().await;
    let gate = Gate::new();
    registry.stage(Rule::new("GET", "*"), Fault::status(503));
    registry.stage(Rule::new("GET", "*"), Fault::stall(At::Body(3), &gate));
    let router = RouterBuilder::new().impatient().router();
    let failure = router
        .pull_manifest(&source(registry.host(), "app"), &tag("v1"))
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable);
    assert_eq!(failure.answer, "503 Service Unavailable");
    gate.release();
}

#[tokio::test]
async fn a_refusal_without_end_is_read_no_further_than_needed() {
    let registry = registry().await;
    let endless = format!("sorry{}", " sorry".repeat(1_000_000));
    registry.stage(Rule::new("GET", "*"), Fault::status(500).with_body(endless));
    let at = source(registry.host(), "app");
    let failure = router().pull_manifest(&at, &tag("v1")).await.unwrap_err();
    assert!(
        failure
            .answer
            .starts_with("500 Internal Server Error: sorry sorry"),
        "{failure}"
    );
    assert!(failure.answer.len() < 400, "{}", failure.answer.len());
}
