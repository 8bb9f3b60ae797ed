//! Tags that rules choose, over the queue.

use image_sync_testkit::images::{ImageBuilder, image};
use image_sync_tests::Entry;

use crate::support::TestPipeline;

const REPOSITORY: &str = "team/app";

#[tokio::test]
async fn a_producer_lists_and_workers_copy_what_its_rules_choose() {
    let pipeline = TestPipeline::start().await;
    for tag in ["v1.0.0", "v1.1.0", "v2.0.0"] {
        pipeline.source.put_image(REPOSITORY, tag, &image(tag));
    }
    let source = |repository: &str| format!("{}/{repository}", pipeline.source.host());
    let catalog = pipeline
        .catalog(0)
        .image(Entry::of_tags(&source(REPOSITORY), "{semver: 1.x}").cache_as(REPOSITORY))
        .image(Entry::of_tags(&source("no/such"), "all").cache_as("other"));
    pipeline.write(&catalog);
    let _aggregator = pipeline.aggregator();
    let _worker = pipeline.worker("w");
    let ended = pipeline.producer().ended().await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let report = ended.report();
    let summary = report.head.summary;
    assert_eq!((summary.pulled, summary.failed, summary.total), (2, 1, 3));
    assert_eq!(report.results[2].tag, "*", "{report:#?}");
    assert_eq!(pipeline.target.tags(REPOSITORY), ["v1.0.0", "v1.1.0"]);
    let line = format!(
        "enqueue -c config.yaml {}:v1.9.9 --wait",
        source(REPOSITORY)
    );
    pipeline
        .source
        .put_image(REPOSITORY, "v1.9.9", &image("late"));
    let enqueued = pipeline.run(&line).await;
    assert_eq!(enqueued.code, Some(0), "{enqueued:#?}");
    assert_eq!(pipeline.target.tags(REPOSITORY).len(), 3);
}

#[tokio::test]
async fn a_producer_finds_out_the_digests_of_tags_and_jobs_are_pinned_to_them() {
    let pipeline = TestPipeline::start().await;
    let image = image("app");
    pipeline.source.put_image(REPOSITORY, "v1", &image);
    let source = format!("{}/{REPOSITORY}", pipeline.source.host());
    let entry = Entry::new(&source, "v1").cache_as(REPOSITORY);
    let entry = entry.with("tag_as: '{tag}-{digest8}'");
    pipeline.write(&pipeline.catalog(0).image(entry));
    let _aggregator = pipeline.aggregator();
    let _worker = pipeline.worker("w");
    let ended = pipeline.producer().ended().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let tag = format!("v1-{}", &image.digest().hex()[..8]);
    assert_eq!(pipeline.target.tags(REPOSITORY), [tag]);
    assert_eq!(pipeline.source.count("HEAD", "/v2/*/manifests/v1"), 1);
    assert_eq!(pipeline.source.count("GET", "/v2/*/manifests/v1"), 0);
}

#[tokio::test]
async fn a_producer_remembers_creation_times_in_its_state_file() {
    let pipeline = TestPipeline::start().await;
    let created = |tag: &str, at: &str| ImageBuilder::new(tag).created(at).build();
    let old = created("old", "2019-01-01T00:00:00Z");
    pipeline.source.put_image(REPOSITORY, "old", &old);
    let young = created("young", "2021-01-01T00:00:00Z");
    pipeline.source.put_image(REPOSITORY, "young", &young);
    let source = format!("{}/{REPOSITORY}", pipeline.source.host());
    let entry = Entry::of_tags(&source, "{sort: created, latest: 1}").cache_as(REPOSITORY);
    pipeline.write(&pipeline.catalog(0).image(entry));
    let _aggregator = pipeline.aggregator();
    let _worker = pipeline.worker("w");
    for _ in 0..2 {
        let line = "producer -c config.yaml --wait --state-dir state";
        let ended = pipeline.run(line).await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
    }
    assert_eq!(pipeline.target.tags(REPOSITORY), ["young"]);
    let of_old = format!("/v2/{REPOSITORY}/blobs/{}", old.blobs[0].digest);
    assert_eq!(pipeline.source.count("GET", &of_old), 1);
}
