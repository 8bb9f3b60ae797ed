//! Tags of the target that have an image already, over the queue.

use image_sync_testkit::fake_registry::ImmutableTags;
use image_sync_tests::{assert_overwriting, overwriting};

use crate::support::TestPipeline;

#[tokio::test]
async fn workers_overwrite_what_the_producer_s_config_lets_them() {
    for refuses in [None, Some(ImmutableTags::Ecr)] {
        let pipeline = TestPipeline::start().await;
        let catalog = overwriting(&pipeline.source, &pipeline.target);
        pipeline.target.behave(|b| b.immutable_tags = refuses);
        pipeline.write(&catalog);
        let _aggregator = pipeline.aggregator();
        let _workers = [pipeline.worker("w1"), pipeline.worker("w2")];
        let ended = pipeline.producer().ended().await;
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        assert_overwriting(&ended.report(), &pipeline.target, refuses.is_some());
    }
}
