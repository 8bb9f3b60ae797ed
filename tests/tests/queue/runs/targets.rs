//! Several targets of an image, over the queue.

use image_sync_shared::run::outcome::Action;
use image_sync_testkit::images::image;
use image_sync_testkit::{ClosedPort, FakeRegistry};

use crate::support::TestPipeline;

const REPOSITORY: &str = "team/app";

#[tokio::test]
async fn a_run_has_a_job_for_each_image_and_target_and_a_dead_one_fails_alone() {
    let pipeline = TestPipeline::start().await;
    let second = FakeRegistry::start().await.unwrap();
    let closed = ClosedPort::new().unwrap();
    pipeline.source.put_image(REPOSITORY, "1", &image("one"));
    pipeline.source.put_image(REPOSITORY, "2", &image("two"));
    let source = format!("{}/{REPOSITORY}", pipeline.source.host());
    let entry = image_sync_tests::Entry::of_tags(&source, "all").cache_as(REPOSITORY);
    let catalog = pipeline
        .catalog(0)
        .target("second", second.host())
        .target("dead", &closed.host())
        .image(entry.with("targets: [dead, second, cache]"));
    pipeline.write(&catalog);
    let _aggregator = pipeline.aggregator();
    let _workers = [pipeline.worker("w1"), pipeline.worker("w2")];
    let ended = pipeline.producer().ended().await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let report = ended.report();
    assert_eq!(report.head.summary.total, 6, "{report:#?}");
    assert_eq!(
        pipeline.source.count("GET", "/v2/*/tags/list*"),
        1,
        "listed once"
    );
    for result in &report.results {
        let is_dead = result.target.starts_with(&closed.host());
        assert_eq!(result.action == Action::Failed, is_dead, "{result:#?}");
    }
    for registry in [&pipeline.target, &second] {
        assert_eq!(registry.tags(REPOSITORY), ["1", "2"]);
    }
}
