//! SIGTERM: take nothing new, finish or hand back what is in hand, publish outcomes, inside the grace time.

use image_sync_shared::run::outcome::Action;
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};

use crate::support::{CUT, TestPipeline, repository};

#[tokio::test]
async fn a_worker_that_is_told_to_stop_takes_nothing_new_and_finishes_what_is_in_hand() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(3));
    let gate = pipeline.hold_a_blob(1);
    let _aggregator = pipeline.aggregator();
    let stopped = pipeline.worker_with("stopped", "--slots 1 --heartbeat 500ms");
    let producer = pipeline.producer();
    gate.reached().await;
    stopped.signal("TERM").await;
    stopped.line("SIGTERM received").await;
    gate.release();
    let ended = stopped.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let _heir = pipeline.worker("heir");
    let report = pipeline.assert_all_pulled(&producer.ended().await, 3);
    let results = pipeline.results_of(&report.head.run_id).await;
    let workers: Vec<&str> = results
        .iter()
        .map(|result| result.worker.as_str())
        .collect();
    assert_eq!(workers, ["stopped", "heir", "heir"]);
}

/// At once: its time of sixty seconds is not waited for.
#[tokio::test]
async fn a_worker_hands_back_what_it_cannot_finish_within_the_grace_time() {
    let pipeline = TestPipeline::with("--visibility 60s --lease-term 60s").await;
    pipeline.write(&pipeline.catalog(1));
    let gate = Gate::new();
    let blobs = Rule::new("GET", format!("/v2/{}/blobs/*", repository(1))).first(3);
    pipeline.source.stage(blobs, Fault::hold(&gate));
    let _aggregator = pipeline.aggregator();
    let stopped = pipeline.worker_with("stopped", "--grace 100ms");
    let producer = pipeline.producer();
    gate.reached_by(3).await;
    stopped.stop().await;
    let open = pipeline.target.open_uploads();
    assert!(open.is_empty(), "uploads left open: {open:?}");
    let _heir = pipeline.worker("heir");
    let report = pipeline.assert_all_pulled(&producer.ended().await, 1);
    let results = pipeline.results_of(&report.head.run_id).await;
    let [result] = &results[..] else {
        panic!("one result, not {results:#?}");
    };
    let said = (
        result.worker.as_str(),
        result.entry.action,
        result.entry.attempts,
    );
    assert_eq!(said, ("heir", Action::Pulled, 1));
}

/// As a Deployment with a new image: each worker is told to stop while the run goes on, and another one takes its place.
#[tokio::test]
async fn a_rolling_restart_of_all_workers_fails_no_image_loses_no_job_and_copies_none_twice() {
    const IMAGES: usize = 300;
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(IMAGES));
    // The run is under way at each restart: an image of it is in somebody's hand.
    let gates = [50, 130, 210].map(|number| pipeline.hold_a_blob(number));
    let _aggregator = pipeline.aggregator();
    let mut workers = ["a", "b", "c"]
        .map(|name| pipeline.worker(name))
        .into_iter();
    let producer = pipeline.producer();
    let mut heirs = Vec::new();
    for (gate, heir) in gates.iter().zip(["d", "e", "f"]) {
        gate.reached().await;
        let stopped = workers.next().unwrap();
        stopped.signal("TERM").await;
        stopped.line("SIGTERM received").await;
        gate.release();
        let ended = stopped.ended().await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        heirs.push(pipeline.worker(heir));
    }
    let report = pipeline.assert_all_pulled(&producer.ended().await, IMAGES);
    let results = pipeline.results_of(&report.head.run_id).await;
    assert_eq!(results.len(), IMAGES, "one result for each image");
    let tags = pipeline.target.count("PUT", "/v2/team/*/manifests/1.0");
    assert_eq!(tags, IMAGES, "each tag is written once");
    let heirs_worked = |name| results.iter().any(|result| result.worker == name);
    assert!(["d", "e", "f"].into_iter().any(heirs_worked));
}

/// It never comes back, and requests to it are repeated for longer than the grace time.
#[tokio::test]
async fn roles_that_are_told_to_stop_end_although_the_server_is_away() {
    let mut pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(1));
    let gate = pipeline.hold_a_blob(1);
    let aggregator = pipeline.aggregator();
    aggregator.line("aggregator started").await;
    let worker = pipeline.worker_with("w1", "--grace 100ms");
    pipeline.run_well("producer -c config.yaml").await;
    gate.reached().await;
    pipeline.nats.kill().unwrap();
    for role in [&worker, &aggregator] {
        role.line(CUT).await;
        role.signal("TERM").await;
    }
    let worker = worker.ended().await;
    assert_eq!(worker.code, Some(3), "{worker:#?}");
    assert!(
        worker.stderr.contains("the time to end in order is over"),
        "{worker:#?}"
    );
    assert_eq!(aggregator.ended().await.code, Some(3));
    let open = pipeline.target.open_uploads();
    assert!(open.is_empty(), "uploads left open: {open:?}");
}
