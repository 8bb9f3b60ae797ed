//! SIGTERM: take nothing new, finish or hand back what is in hand, publish outcomes, inside the grace time.

use image_sync_shared::run::outcome::Action;
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};

use crate::servers::CUT;
use crate::support::{Installation, repository};

#[tokio::test]
async fn a_worker_that_is_told_to_stop_takes_nothing_new_and_finishes_what_is_in_hand() {
    let installation = Installation::start().await;
    installation.write(&installation.catalog(3));
    let gate = installation.hold_a_blob(1);
    let _aggregator = installation.aggregator();
    let stopped = installation.worker_with("stopped", "--slots 1 --heartbeat 500ms");
    let producer = installation.producer();
    gate.reached().await;
    stopped.signal("TERM").await;
    stopped.line("SIGTERM received").await;
    gate.release();
    let ended = stopped.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let _heir = installation.worker("heir");
    let report = installation.assert_all_pulled(&producer.ended().await, 3);
    let results = installation.results_of(&report.head.run_id).await;
    let workers: Vec<&str> = results
        .iter()
        .map(|result| result.worker.as_str())
        .collect();
    assert_eq!(workers, ["stopped", "heir", "heir"]);
}

/// At once: its time of sixty seconds is not waited for.
#[tokio::test]
async fn a_worker_hands_back_what_it_cannot_finish_within_the_grace_time() {
    let installation = Installation::with("--visibility 60s --lease-term 60s").await;
    installation.write(&installation.catalog(1));
    let gate = Gate::new();
    let blobs = Rule::new("GET", format!("/v2/{}/blobs/*", repository(1))).first(3);
    installation.source.stage(blobs, Fault::hold(&gate));
    let _aggregator = installation.aggregator();
    let stopped = installation.worker_with("stopped", "--grace 100ms");
    let producer = installation.producer();
    gate.reached_by(3).await;
    stopped.stop().await;
    let open = installation.target.open_uploads();
    assert!(open.is_empty(), "uploads left open: {open:?}");
    let _heir = installation.worker("heir");
    let report = installation.assert_all_pulled(&producer.ended().await, 1);
    let results = installation.results_of(&report.head.run_id).await;
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

/// It never comes back, and requests to it are repeated for longer than the grace time.
#[tokio::test]
async fn roles_that_are_told_to_stop_end_although_the_server_is_away() {
    let mut installation = Installation::start().await;
    installation.write(&installation.catalog(1));
    let gate = installation.hold_a_blob(1);
    let aggregator = installation.aggregator();
    aggregator.line("aggregator started").await;
    let worker = installation.worker_with("w1", "--grace 100ms");
    installation.run_well("producer -c config.yaml").await;
    gate.reached().await;
    installation.nats.kill().unwrap();
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
    let open = installation.target.open_uploads();
    assert!(open.is_empty(), "uploads left open: {open:?}");
}
