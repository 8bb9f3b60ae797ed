//! Workers that die, stand still, or are told to stop.

use image_sync_testkit::fake_registry::{Fault, Gate, Rule};

use crate::support::{Installation, repository};

/// Holds the first request for a blob of image `number` at the source.
fn hold_a_blob(installation: &Installation, number: usize) -> Gate {
    let gate = Gate::new();
    let path = format!("/v2/{}/blobs/*", repository(number));
    let rule = Rule::new("GET", path).first(1);
    installation.source.stage(rule, Fault::hold(&gate));
    gate
}

#[tokio::test]
async fn a_killed_worker_loses_no_job() {
    let installation = Installation::start().await;
    installation.write(&installation.catalog(6));
    let gate = hold_a_blob(&installation, 2);
    let _aggregator = installation.aggregator();
    let mut doomed = installation.worker("doomed");
    let producer = installation.producer();
    gate.reached().await;
    doomed.kill().await;
    let _heir = installation.worker("heir");
    let report = installation.assert_all_pulled(&producer.ended().await, 6);
    let results = installation.results_of(&report.head.run_id).await;
    let heirs = results.iter().find(|result| result.idx == 1).unwrap();
    assert_eq!(heirs.worker, "heir", "what the killed one had in hand");
}
