//! Tags that rules choose, over the queue.

use image_sync_testkit::images::image;
use image_sync_tests::Entry;

use crate::support::Installation;

const REPOSITORY: &str = "team/app";

#[tokio::test]
async fn a_producer_lists_and_workers_copy_what_its_rules_choose() {
    let installation = Installation::start().await;
    for tag in ["v1.0.0", "v1.1.0", "v2.0.0"] {
        installation.source.put_image(REPOSITORY, tag, &image(tag));
    }
    let source = |repository: &str| format!("{}/{repository}", installation.source.host());
    let catalog = installation
        .catalog(0)
        .image(Entry::of_tags(&source(REPOSITORY), "{semver: 1.x}").cache_as(REPOSITORY))
        .image(Entry::of_tags(&source("no/such"), "all").cache_as("other"));
    installation.write(&catalog);
    let _aggregator = installation.aggregator();
    let _worker = installation.worker("w");
    let ended = installation.producer().ended().await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let report = ended.report();
    let summary = report.head.summary;
    assert_eq!((summary.pulled, summary.failed, summary.total), (2, 1, 3));
    assert_eq!(report.results[2].tag, "*", "{report:#?}");
    assert_eq!(installation.target.tags(REPOSITORY), ["v1.0.0", "v1.1.0"]);
    let line = format!(
        "enqueue -c config.yaml {}:v1.9.9 --wait",
        source(REPOSITORY)
    );
    installation
        .source
        .put_image(REPOSITORY, "v1.9.9", &image("late"));
    let enqueued = installation.run(&line).await;
    assert_eq!(enqueued.code, Some(0), "{enqueued:#?}");
    assert_eq!(installation.target.tags(REPOSITORY).len(), 3);
}
