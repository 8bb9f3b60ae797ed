//! Traces and log lines of a run that goes through several processes.

use std::collections::BTreeSet;

use image_sync_testkit::Collector;
use image_sync_tests::{Ended, named, only};
use serde_json::Value;

use crate::support::{PRODUCER, TAG, TestPipeline, repository};

/// Two images, of which the second one is missing at the source.
async fn pipeline() -> TestPipeline {
    let pipeline = TestPipeline::start().await;
    let catalog = pipeline.catalog(1);
    pipeline.write(&catalog.image(pipeline.entry("team/gone")));
    pipeline
}

/// A run through all roles: producer, worker, aggregator.
async fn run_through(pipeline: &TestPipeline, options: &str) -> [Ended; 3] {
    let aggregator = pipeline.role(&format!("aggregator {options}"));
    let worker = pipeline.worker_with("w", options);
    let producer = pipeline.role(&format!("{PRODUCER} {options}"));
    let ended = producer.ended().await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    [ended, worker.stop().await, aggregator.stop().await]
}

#[tokio::test]
async fn a_trace_goes_from_the_producer_to_the_aggregator_and_those_of_workers_lead_to_it() {
    let collector = Collector::start().await.unwrap();
    let pipeline = pipeline().await;
    let program = pipeline
        .program
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    let pipeline = TestPipeline {
        program,
        ..pipeline
    };
    let [producer, ..] = run_through(&pipeline, "").await;

    let spans = collector.spans();
    let traces: BTreeSet<_> = spans.iter().map(|span| &span.trace).collect();
    assert_eq!(traces.len(), 3, "{spans:#?}");
    let [run, copy, fold] = ["run", "copy", "fold"].map(|name| only(&spans, name));
    assert!(run.parent.is_empty(), "{run:#?}");
    assert_eq!(fold.parent, run.id, "{fold:#?}");
    let jobs = named(&spans, "job");
    assert_eq!(jobs.len(), 2, "{spans:#?}");
    assert!(
        jobs.iter()
            .all(|job| job.links == std::slice::from_ref(&run.id)),
        "{jobs:#?}"
    );
    assert!(
        jobs.iter().all(|job| job.attributes["worker"] == "w"),
        "{jobs:#?}"
    );
    let checked: BTreeSet<_> = named(&spans, "check")
        .iter()
        .map(|check| &check.parent)
        .collect();
    assert_eq!(checked, jobs.iter().map(|job| &job.id).collect());
    let target = pipeline.target.image(&repository(1), TAG);
    let copied = jobs.iter().find(|job| job.attributes["target"] == target);
    assert_eq!(copy.parent, copied.unwrap().id);
    let blobs = named(&spans, "blob");
    assert_eq!(blobs.len(), 3, "two layers and a config: {spans:#?}");
    assert!(blobs.iter().all(|blob| blob.parent == copy.id));

    let run_id = producer.report().head.run_id.to_string();
    for span in [run, fold].into_iter().chain(jobs) {
        assert_eq!(span.attributes["run_id"], run_id, "{span:#?}");
    }
}

/// The line of a log in JSON with this message.
fn line(ended: &Ended, message: &str) -> Value {
    let mut lines = ended.stderr.lines().map(|line| {
        let parsed: Result<Value, _> = serde_json::from_str(line);
        parsed.unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    let found = lines.find(|line| line["message"] == message);
    found.unwrap_or_else(|| panic!("no line says {message:?}: {ended:#?}"))
}

#[tokio::test]
async fn log_lines_of_every_role_name_run_job_and_image() {
    let pipeline = pipeline().await;
    let json = run_through(&pipeline, "--log-format json");
    let [producer, worker, aggregator] = json.await;
    let run = producer.report().head.run_id.to_string();
    assert_eq!(line(&producer, "run sealed")["run_id"], run);
    assert_eq!(line(&aggregator, "run ended")["run_id"], run);
    let copied = line(&worker, "copied");
    assert_eq!(copied["run_id"], run, "{copied}");
    assert_eq!(copied["job"], 0, "{copied}");
    let result = producer.report().results.remove(0);
    for (field, expected) in [
        ("image", result.image),
        ("tag", result.tag),
        ("target", result.target),
    ] {
        assert_eq!(copied[field], expected, "{copied}");
    }
    assert_eq!(copied["bytes_copied"], result.bytes_copied, "{copied}");
    for line in producer
        .stderr
        .lines()
        .chain(worker.stderr.lines())
        .chain(aggregator.stderr.lines())
    {
        assert!(line.matches(&run).count() <= 1, "the run once: {line}");
    }
}
