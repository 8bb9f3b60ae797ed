//! One bad image of several, and images that take too long.

use std::time::Duration;

use image_sync_shared::image::digest::Digest;
use image_sync_shared::run::outcome::Action;
use image_sync_shared::run::report::RunStatus;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule};
use image_sync_testkit::images::{ImageBuilder, deterministic_bytes, image};
use image_sync_tests::{Catalog, Entry};

use crate::support::{REPOSITORY, TAG, TestSync, all, status};

fn ten_images(fixture: &TestSync) -> Catalog {
    let mut catalog = fixture.empty_catalog();
    for n in 0..10 {
        let name = format!("team/app{n}");
        fixture.source.put_image(&name, TAG, &image(&name));
        catalog = catalog.image(fixture.entry(&name, TAG));
    }
    catalog
}

#[tokio::test]
async fn one_bad_image_fails_alone() {
    let fixture = TestSync::start().await;
    let catalog = ten_images(&fixture);
    fixture
        .source
        .stage(Rule::new("GET", "/v2/team/app4/blobs/*"), status(403));
    for (skip_on_error, code) in [(false, 1), (true, 0)] {
        let catalog = catalog
            .clone()
            .setting(&format!("skip_on_error: {skip_on_error}"));
        let ended = fixture.program.sync(&catalog, &[]).await;
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        let report = ended.report();
        assert_eq!(
            (report.head.summary.failed, report.head.summary.total),
            (1, 10)
        );
        for (n, result) in report.results.iter().enumerate() {
            assert!(
                result.image.ends_with(&format!("team/app{n}")),
                "in the order of the catalog"
            );
            assert_eq!(result.action == Action::Failed, n == 4, "{result:#?}");
        }
        let error = report.results[4].error.clone().unwrap();
        assert!(
            error.starts_with("source: pull blob sha256:") && error.contains("403"),
            "{error}"
        );
    }
    fixture.nothing_broken();
}

#[tokio::test]
async fn pull_timeout_secs_ends_one_images_work_and_not_the_others() {
    let fixture = TestSync::start().await;
    let catalog = ten_images(&fixture).setting("pull_timeout_secs: 10");
    let gate = Gate::new();
    fixture.source.stage(
        Rule::new("GET", "/v2/team/app4/blobs/*"),
        Fault::hold(&gate),
    );
    let ended = fixture.program.sync(&catalog, &[]).await;
    let report = ended.report();
    assert_eq!(
        (
            ended.code,
            report.head.summary.pulled,
            report.head.summary.failed
        ),
        (Some(1), 9, 1),
        "{ended:#?}"
    );
    let error = report.results[4].error.clone().unwrap();
    assert!(error.contains("pull_timeout_secs"), "{error}");
    fixture.nothing_broken();
}

#[tokio::test]
async fn pull_timeout_secs_ends_one_images_work_and_not_that_of_another_that_shares_a_layer() {
    let (fixture, healthy) = (
        TestSync::start().await,
        FakeRegistry::start().await.unwrap(),
    );
    let base = deterministic_bytes("base", 5000);
    let on_base = |name: &str| ImageBuilder::new(name).layer(base.clone()).build();
    fixture.source.put_image("team/slow", TAG, &on_base("slow"));
    healthy.put_image("team/healthy", TAG, &on_base("healthy"));
    let (slow, later) = (Gate::new(), Gate::new());
    let get_base = || Rule::new("GET", format!("/v2/*/blobs/{}", Digest::of(&base)));
    fixture
        .source
        .stage(get_base(), Fault::stall(At::Body(100), &slow));
    healthy.stage(Rule::new("HEAD", "*"), Fault::hold(&later));
    // It needs time of its own after it waited.
    healthy.stage(get_base(), Fault::Delay(Duration::from_secs(1)));
    let entry = Entry::new(&format!("{}/team/healthy", healthy.host()), TAG);
    let catalog = fixture
        .empty_catalog()
        .setting("pull_timeout_secs: 8")
        .image(fixture.entry("team/slow", TAG))
        .image(entry.cache_as("team/healthy"));
    let running = fixture.program.start_sync(&catalog, &[]);
    slow.reached().await;
    later.release();
    let ended = running.ended().await;
    let report = ended.report();
    let actions: Vec<Action> = report.results.iter().map(|result| result.action).collect();
    assert_eq!(actions, [Action::Failed, Action::Pulled], "{ended:#?}");
    let error = report.results[0].error.clone().unwrap();
    assert!(error.contains("pull_timeout_secs"), "{error}");
    fixture.nothing_broken();
}

/// Long before the requests to it are given up.
#[tokio::test]
async fn a_source_that_accepts_and_does_not_answer_is_named() {
    let fixture = TestSync::with(&image("app")).await;
    let gate = Gate::new();
    let held = all("GET", "manifests");
    fixture.source.stage(held, Fault::hold(&gate));
    let running = fixture.program.start_sync(&fixture.catalog(), &[]);
    let told = running.line("no answer for 5 s").await;
    assert!(told.contains(fixture.source.host()), "{told}");
    assert!(told.contains("given up after 30 s"), "{told}");
    gate.release();
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[tokio::test]
async fn a_hung_source_never_hangs_the_run() {
    let fixture = TestSync::start().await;
    let catalog = ten_images(&fixture).setting("pull_timeout_secs: 1");
    let gate = Gate::new();
    fixture
        .source
        .stage(Rule::new("*", "*"), Fault::hold(&gate));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(
        (ended.code, ended.report().head.summary.failed),
        (Some(1), 10),
        "{ended:#?}"
    );
}

#[tokio::test]
async fn a_run_that_reaches_its_deadline_names_what_is_missing() {
    let fixture = TestSync::start().await;
    let catalog = ten_images(&fixture).setting("run_timeout: 1s");
    let gate = Gate::new();
    fixture
        .source
        .stage(Rule::new("HEAD", "/v2/team/app4/*"), Fault::hold(&gate));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    let report = ended.report();
    let missing: Vec<&str> = report
        .missing
        .iter()
        .map(|name| name.image.as_str())
        .collect();
    assert!(
        missing.iter().any(|name| name.ends_with("team/app4")),
        "{missing:?}"
    );
    assert_eq!(report.head.summary.results() as usize + missing.len(), 10);
}

#[tokio::test]
async fn an_image_whose_rate_limit_outlasts_the_run_fails_at_once_and_does_not_hold_the_run() {
    for (skip_on_error, code) in [(false, 1), (true, 0)] {
        let fixture = TestSync::start().await;
        let catalog = ten_images(&fixture)
            .setting("run_timeout: 10m")
            .setting(&format!("skip_on_error: {skip_on_error}"));
        let limited = FakeRegistry::start().await.unwrap();
        let day = Fault::rate_limited(Some("86400"));
        limited.stage(Rule::new("*", "*"), day);
        let of_limited = |name: &str| {
            let source = format!("{}/{name}", limited.host());
            Entry::new(&source, TAG).cache_as(name)
        };
        let catalog = catalog.image(of_limited("a")).image(of_limited("b"));
        let ended = fixture.program.sync(&catalog, &[]).await;
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        let report = ended.report();
        assert_eq!(report.head.status, RunStatus::Complete, "{ended:#?}");
        let summary = report.head.summary;
        assert_eq!((summary.pulled, summary.failed), (10, 2), "{ended:#?}");
        for result in &report.results[10..] {
            let error = result.error.as_deref().unwrap();
            for words in [
                "source: check",
                "429",
                "left alone until",
                "too late for the run's deadline",
            ] {
                assert!(error.contains(words), "{words}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn log_lines_of_a_failure_name_their_image_at_the_levels_of_warnings_and_errors() {
    let fixture = TestSync::with(&image("app")).await;
    fixture.source.stage(all("GET", "blobs"), status(503));
    let named = format!("image={}/{REPOSITORY} tag={TAG} ", fixture.source.host());
    for (level, words) in [
        ("warn", vec!["put back", "failed error="]),
        ("error", vec!["failed error="]),
    ] {
        let ended = fixture
            .program
            .sync(&fixture.catalog(), &["--log-level", level])
            .await;
        for word in words {
            let line = ended.stderr.lines().find(|line| line.contains(word));
            let line = line.unwrap_or_else(|| panic!("{word:?} expected: {ended:#?}"));
            assert!(line.contains(&named), "{named} expected: {line}");
        }
    }
}
