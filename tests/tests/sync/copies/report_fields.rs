//! What a program reads of a report.

use image_sync_shared::failure::{Side, Step};
use image_sync_shared::run::Trigger;
use image_sync_shared::run::outcome::ReportedFailure;
use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::image;
use serde_json::Value;

use crate::support::{TAG, TestSync};

#[tokio::test]
async fn a_failure_is_told_in_parts_beside_its_text() {
    let fixture = TestSync::with(&image("app")).await;
    let refused = Rule::new("POST", "/v2/team/app/blobs/uploads/*");
    fixture.target.stage(refused, Fault::status(403));
    let catalog = fixture.catalog().image(fixture.entry("team/gone", TAG));
    let ended = fixture.program.sync(&catalog, &[]).await;
    let results = ended.report().results;
    let failure = |place: usize| results[place].failure.as_deref().unwrap();
    let ReportedFailure {
        side, step, status, ..
    } = failure(0);
    assert_eq!(
        (side, step, status),
        (&Side::Target, &Step::PushBlob, &Some(403))
    );
    assert_eq!(
        (failure(0).class.as_str(), failure(0).retryable),
        ("denied", false)
    );
    let ReportedFailure {
        side, step, status, ..
    } = failure(1);
    assert_eq!(
        (side, step, status),
        (&Side::Source, &Step::Check, &Some(404))
    );
    assert_eq!(
        (failure(1).class.as_str(), failure(1).retryable),
        ("not_found", false)
    );
    for result in &results {
        let (error, failure) = (
            result.error.as_deref().unwrap(),
            result.failure.as_ref().unwrap(),
        );
        assert!(
            error.contains(&failure.message) && error.contains(&failure.subject),
            "{result:#?}"
        );
    }
}

#[tokio::test]
async fn what_may_pass_is_retryable() {
    let fixture = TestSync::with(&image("app")).await;
    let busy = Rule::new("HEAD", "/v2/team/app/manifests/*");
    fixture.source.stage(busy, Fault::status(503));
    let ended = fixture.program.sync(&fixture.catalog(), &[]).await;
    let failure = ended.only_result().failure.unwrap();
    assert_eq!((failure.status, failure.retryable), (Some(503), true));
}

#[tokio::test]
async fn an_image_has_its_start_and_end_within_those_of_its_run() {
    let fixture = TestSync::with(&image("app")).await;
    let busy = Rule::new("HEAD", "/v2/team/app/manifests/*").first(3);
    fixture.source.stage(busy, Fault::status(503));
    let ended = fixture.program.sync(&fixture.catalog(), &[]).await;
    let (head, result) = (ended.report().head, ended.only_result());
    assert!(result.attempts > 1, "{ended:#?}");
    let (started, finished) = (result.started_at.unwrap(), result.ended_at.unwrap());
    assert!(
        head.started_at <= started && finished <= head.timestamp,
        "{ended:#?}"
    );
    // The waits between attempts lie between them, and are no work time.
    let span = (finished - started).whole_milliseconds();
    assert!(span >= i128::from(result.duration_ms), "{ended:#?}");
}

#[tokio::test]
async fn a_run_says_what_set_it_off_and_whether_it_was_to_write() {
    let fixture = TestSync::with(&image("app")).await;
    let told = async |arguments: &[&str]| {
        let ended = fixture.program.sync(&fixture.catalog(), arguments).await;
        let head = ended.report().head;
        (head.trigger, head.dry_run)
    };
    assert_eq!(told(&["--dry-run"]).await, (Trigger::Manual, true));
    assert_eq!(
        told(&["--trigger", "schedule"]).await,
        (Trigger::Schedule, false)
    );
    assert_eq!(told(&[]).await, (Trigger::Manual, false));
}

#[tokio::test]
async fn ndjson_has_a_line_for_each_image_and_the_last_for_the_run() {
    let fixture = TestSync::with(&image("app")).await;
    let catalog = fixture.catalog().image(fixture.entry("team/gone", TAG));
    let arguments = ["--output", "ndjson", "--report", "report.json"];
    let ended = fixture.program.sync(&catalog, &arguments).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let lines: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [first, second, run] = &lines[..] else {
        panic!("three lines: {ended:#?}")
    };
    let report = std::fs::read_to_string(fixture.program.home().join("report.json")).unwrap();
    let mut report: Value = serde_json::from_str(&report).unwrap();
    let results = report["results"].take();
    for (place, line) in [first, second].into_iter().enumerate() {
        let mut expected = results[place].clone();
        expected["kind"] = "result".into();
        expected["run_id"] = report["run_id"].clone();
        assert_eq!(line, &expected);
    }
    let fields = report.as_object_mut().unwrap();
    fields.remove("results");
    fields.remove("missing");
    fields.insert("kind".to_owned(), "run".into());
    assert_eq!(run, &report);
}
