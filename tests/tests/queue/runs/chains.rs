//! Images that are read where another one of the same run is written, over the queue.

use image_sync_testkit::images::image;
use image_sync_tests::Entry;

use crate::support::TestPipeline;

const REPOSITORY: &str = "team/app";

#[tokio::test]
async fn a_producer_publishes_what_reads_the_results_of_others_after_these() {
    let pipeline = TestPipeline::start().await;
    let app = image("app");
    pipeline.source.put_image(REPOSITORY, "1", &app);
    let target = pipeline.target.host();
    let copied = |from: &str, to: &str| Entry::new(&format!("{target}/{from}"), "1").cache_as(to);
    let catalog = pipeline
        .catalog(0)
        .image(copied("second", "third"))
        .image(copied(REPOSITORY, "second"))
        .image(
            Entry::of_tags(&format!("{}/{REPOSITORY}", pipeline.source.host()), "all")
                .cache_as(REPOSITORY),
        );
    pipeline.write(&catalog);
    let _aggregator = pipeline.aggregator();
    let _workers = [pipeline.worker("w1"), pipeline.worker("w2")];
    let ended = pipeline.producer().ended().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.report().head.summary.pulled, 3, "{ended:#?}");
    assert_eq!(
        pipeline.target.digest("third", "1"),
        Some(app.digest().clone())
    );
}
