//! `producer --only-failed`: what failed in the report of an earlier run, and nothing else.

use image_sync_testkit::fake_registry::{Fault, Rule};

use crate::support::{PRODUCER, TAG, TestPipeline};

#[tokio::test]
async fn a_producer_publishes_jobs_for_what_failed_in_a_report_and_for_nothing_else() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(3));
    let fault = Rule::new("GET", "/v2/team/app2/blobs/*").first(1);
    pipeline.source.stage(fault, Fault::status(403));
    let _aggregator = pipeline.aggregator();
    let _worker = pipeline.worker("w");
    let first = pipeline.run(PRODUCER).await;
    assert_eq!(first.code, Some(1), "{first:#?}");
    assert_eq!(first.report().head.summary.failed, 1, "{first:#?}");
    pipeline.program.write("report.json", &first.stdout);
    let checks_of = |repository: &str| {
        let path = format!("/v2/{repository}/manifests/{TAG}");
        pipeline.source.count("HEAD", &path)
    };
    let before = ["team/app1", "team/app3"].map(checks_of);
    let line = format!("{PRODUCER} --only-failed report.json");
    let ended = pipeline.run(&line).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let result = ended.only_result();
    assert!(result.image.ends_with("team/app2"), "{ended:#?}");
    assert_eq!(pipeline.target.tags("team/app2"), [TAG]);
    let after = ["team/app1", "team/app3"].map(checks_of);
    assert_eq!(after, before, "the others are left alone");
}
