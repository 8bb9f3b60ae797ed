//! Roles on machines whose clocks are ten minutes off, in both directions.

use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_tests::{OtherClock, Running};
use time::OffsetDateTime;

use crate::support::{PRODUCER, TestPipeline, now, repository};

/// Ten minutes.
const OFF: i64 = 600;
/// Longer than an image takes here, and shorter than the clocks are off.
const TIMEOUT: &str = "run_timeout: 5m";
const IMAGES: usize = 4;

impl TestPipeline {
    /// The program on a machine whose clock is so many seconds ahead.
    fn role_ahead_by(&self, seconds: i64, line: &str) -> Running {
        let clock = OtherClock::ahead_by(seconds, self.program.home());
        let arguments: Vec<&str> = line.split_whitespace().collect();
        self.program.start_at(&clock, &arguments)
    }
}

/// A run with a put-back image, whose producer is so far off; the aggregator is off the other way, and of two workers each
/// one way.
async fn run_with_producer_ahead_by(off: i64) {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(IMAGES).setting(TIMEOUT));
    let limited = Rule::new("*", format!("/v2/{}/*", repository(1))).first(1);
    pipeline
        .source
        .stage(limited, Fault::rate_limited(Some("1")));
    let aggregator = pipeline.role_ahead_by(-off, "aggregator");
    let worker = |ahead, name| {
        let line = format!("worker -c config.yaml --slots 1 --name {name}");
        pipeline.role_ahead_by(ahead, &line)
    };
    let workers = [worker(off, "a"), worker(-off, "b")];
    for role in workers.iter().chain([&aggregator]) {
        let told = role.line("the clock of this machine is").await;
        assert!(told.contains("600 s") || told.contains("599 s"), "{told}");
    }
    let before = now();
    let producer = pipeline.role_ahead_by(off, PRODUCER);
    let ended = producer.ended().await;
    let report = pipeline.assert_all_pulled(&ended, IMAGES);
    let is_meanwhile = |time: OffsetDateTime| {
        let second = time::Duration::SECOND;
        (before - second..now() + second).contains(&time)
    };
    let head = &report.head;
    assert!(is_meanwhile(head.started_at), "{report:#?}");
    assert!(is_meanwhile(head.timestamp), "{report:#?}");
    assert!(
        !aggregator
            .stop()
            .await
            .stderr
            .contains("the deadline had passed"),
        "it had not"
    );
}

#[tokio::test]
async fn clocks_of_machines_that_are_ten_minutes_off_change_nothing_but_a_log_line() {
    run_with_producer_ahead_by(-OFF).await;
    run_with_producer_ahead_by(OFF).await;
}
