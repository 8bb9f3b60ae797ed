//! Workers that die, stand still, or are told to stop.

use std::time::Duration;

use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::outcome::Action;
use image_sync_shared::run::report::Report;
use image_sync_shared::run::{RunEvent, RunId};
use image_sync_testkit::Image;
use image_sync_testkit::fake_registry::{Fault, Gate, Request, Rule};
use image_sync_testkit::images::image;
use image_sync_testkit::network::proxy::Toward;
use image_sync_tests::Running;

use crate::support::{TAG, TIMES, TestPipeline, repository};

#[tokio::test]
async fn a_killed_worker_loses_no_job() {
    let pipeline = TestPipeline::with(TIMES).await;
    pipeline.write(&pipeline.catalog(6));
    let gate = pipeline.hold_a_blob(2);
    let _aggregator = pipeline.aggregator();
    // One slot: no other image may have its tag and no result yet.
    let mut doomed = pipeline.worker_with("doomed", "--slots 1");
    let producer = pipeline.producer();
    gate.reached().await;
    doomed.kill().await;
    let _heir = pipeline.worker("heir");
    let report = pipeline.assert_all_pulled(&producer.ended().await, 6);
    let results = pipeline.results_of(&report.head.run_id).await;
    let heirs = results.iter().find(|result| result.idx == 1).unwrap();
    assert_eq!(heirs.worker, "heir", "what the killed one had in hand");
}

/// Killed where its result is stored and its job is not: the job comes again, finds its image in place, and says so too late.
#[tokio::test]
async fn a_worker_killed_between_result_and_acknowledgement_leaves_one_result_that_counts() {
    let times = format!("{TIMES} --dedupe-window 2100ms");
    let pipeline = TestPipeline::with(&times).await;
    pipeline.write(&pipeline.catalog(2));
    let still_open = pipeline.hold_a_blob(2);
    let proxy = pipeline.proxy().await;
    let acknowledgement = proxy.hold(Toward::Server, "+ACK", 1);
    let _aggregator = pipeline.aggregator();
    let worker = "worker -c config.yaml --name doomed --slots 1";
    let mut doomed = pipeline.role_at(&proxy, worker);
    let producer = pipeline.producer();
    acknowledgement.reached().await;
    doomed.kill().await;
    dedupe_window_passed(&pipeline).await;
    let heir = pipeline.worker("heir");
    heir.line("in place").await;
    still_open.release();
    let report = pipeline.assert_all_pulled(&producer.ended().await, 2);
    heir.stop().await;
    let results = pipeline.results_of(&report.head.run_id).await;
    let said: Vec<(&str, Action)> = results
        .iter()
        .filter(|result| result.idx == 0)
        .map(|result| (result.worker.as_str(), result.entry.action))
        .collect();
    let expected = [("doomed", Action::Pulled), ("heir", Action::AlreadyCached)];
    assert_eq!(said, expected);
}

/// Returns when what the logs have now is no longer known for a repeat: as when a worker is delivered a job late.
async fn dedupe_window_passed(pipeline: &TestPipeline) {
    let queue = pipeline.queue().await;
    let (log, other) = (&queue.ports().log, RunId::new("other"));
    let mut reader = log.read(&other).await.unwrap();
    let mut stored = 0;
    while stored < 2 {
        let event = RunEvent::Seal { expected: 0 };
        log.append(&other, &event).await.unwrap();
        let wait = Duration::from_millis(50);
        stored += usize::from(reader.next(wait).await.unwrap().is_some());
    }
}

/// A while that is longer than what they had in hand is theirs.
#[tokio::test]
async fn jobs_outlast_the_death_of_all_workers() {
    let pipeline = TestPipeline::with(TIMES).await;
    // As many as the two have slots for anything but lane now.
    pipeline.write(&pipeline.catalog(6));
    let gates = [1, 2, 3, 4, 5, 6].map(|number| pipeline.hold_a_blob(number));
    let _aggregator = pipeline.aggregator();
    let mut doomed = ["a", "b"].map(|name| pipeline.worker(name));
    let producer = pipeline.producer();
    for gate in &gates {
        gate.reached().await;
    }
    for worker in &mut doomed {
        worker.kill().await;
    }
    let requests = pipeline.source.requests().len();
    let queue = pipeline.queue().await;
    let (jobs, a_while) = (&queue.ports().jobs, Duration::from_secs(60));
    let given_up = jobs.pull(&Lane::ALL, 1, a_while).await.unwrap();
    assert_eq!(given_up.len(), 1, "what the dead had in hand can be taken");
    drop(given_up);
    assert_eq!(pipeline.source.requests().len(), requests);
    let _back = ["c", "d"].map(|name| pipeline.worker(name));
    pipeline.assert_all_pulled(&producer.ended().await, 6);
}

/// All jobs are put back while the stream of jobs has little room for new ones.
#[tokio::test]
async fn a_source_that_is_down_for_a_while_fails_no_job_of_a_full_stream() {
    let pipeline = TestPipeline::start().await;
    pipeline.run_well("provision --jobs-max-bytes 64KiB").await;
    for number in 1..=35 {
        let path = format!("/v2/{}/manifests/*", repository(number));
        let down = Rule::new("HEAD", path).first(4);
        pipeline.source.stage(down, Fault::status(503));
    }
    pipeline.write(&pipeline.catalog(35));
    let _aggregator = pipeline.aggregator();
    let producer = pipeline.producer();
    let worker = pipeline.worker("a");
    pipeline.assert_all_pulled(&producer.ended().await, 35);
    worker.stop().await;
}

/// It stands still in a blob, and finds out by its next sign of life.
#[tokio::test]
async fn a_worker_that_stood_still_past_its_lease_gives_up_its_copy() {
    let pipeline = TestPipeline::with(TIMES).await;
    pipeline.write(&pipeline.catalog(1));
    let gate = pipeline.hold_a_blob(1);
    let _aggregator = pipeline.aggregator();
    let stopped = pipeline.worker("stopped");
    let producer = pipeline.producer();
    gate.reached().await;
    let report = taken_over(&pipeline, &stopped, producer).await;
    let is_held = |request: &Request| request.is("GET", "/v2/*/blobs/*");
    let held = pipeline.source.wait_for(is_held).await.path;
    let before = pipeline.source.count("GET", &held);
    // The gate stays closed: the blob does not come, and is not asked for again.
    stopped.signal("CONT").await;
    stopped.line("another worker took the target over").await;
    assert_eq!(pipeline.source.count("GET", &held), before);
    pipeline.assert_heir_alone_wrote(&report).await;
    stopped.stop().await;
}

/// It stands still behind its last blob, and gives no more signs of life: it asks before it writes the tag.
#[tokio::test]
async fn a_worker_that_stood_still_past_its_lease_never_writes_the_tag() {
    // The worker starts where times are long, so that no sign of life is due before the tag.
    let pipeline = TestPipeline::with("--visibility 9m --lease-term 9m").await;
    pipeline.write(&pipeline.catalog(1));
    let gate = Gate::new();
    let last = Rule::new("PUT", "/v2/team/app1/blobs/uploads/*").first(1);
    pipeline.target.stage(last, Fault::hold(&gate));
    let _aggregator = pipeline.aggregator();
    let stopped = pipeline.worker_with("stopped", "");
    let producer = pipeline.producer();
    gate.reached().await;
    pipeline.provision(TIMES).await;
    let report = taken_over(&pipeline, &stopped, producer).await;
    gate.release();
    stopped.signal("CONT").await;
    stopped.line("another worker took the target over").await;
    pipeline.assert_heir_alone_wrote(&report).await;
    stopped.stop().await;
}

/// Stops a worker that has the only image in hand, moves the image's tag, and lets another worker finish the run.
async fn taken_over(pipeline: &TestPipeline, stopped: &Running, producer: Running) -> Report {
    stopped.signal("STOP").await;
    pipeline.source.put_image(&repository(1), TAG, &moved());
    let heir = pipeline.worker("heir");
    let ended = producer.ended().await;
    heir.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    ended.report()
}

/// What the tag of the only image means from then on.
fn moved() -> Image {
    image("moved")
}

impl TestPipeline {
    /// The tag was written once, by the heir, whose result is the one that counts.
    async fn assert_heir_alone_wrote(&self, report: &Report) {
        let tag = format!("/v2/{}/manifests/{TAG}", repository(1));
        assert_eq!(self.target.count("PUT", &tag), 1);
        self.assert_tag(&repository(1), &moved());
        self.target.assert_every_tag_is_complete();
        let [result] = &report.results[..] else {
            panic!("one result, not {report:#?}");
        };
        assert_eq!(result.action, Action::Pulled);
        assert_eq!(result.expected_digest.as_ref(), Some(moved().digest()));
        let results = self.results_of(&report.head.run_id).await;
        assert_eq!(results[0].worker, "heir", "{results:#?}");
    }
}

#[tokio::test]
async fn who_waits_for_a_run_is_told_that_nobody_takes_jobs_until_somebody_does() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(1));
    let gate = pipeline.hold_a_blob(1);
    let aggregator = pipeline.aggregator();
    let producer = pipeline.producer();
    producer.line("nobody takes jobs").await;
    let deserted = async || {
        let shown = pipeline.run_well("runs show latest --output json").await;
        let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
        shown["nobody_takes_jobs"].as_bool().unwrap()
    };
    assert!(deserted().await);
    let worker = pipeline.worker("w");
    gate.reached().await;
    assert!(!deserted().await, "the worker has the only job in hand");
    producer.line("workers take jobs again").await;
    gate.release();
    let ended = producer.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stderr.matches("nobody takes jobs").count(), 1);
    for role in [worker, aggregator] {
        role.stop().await;
    }
}
