//! Tags of the target that have an image already.

use image_sync_testkit::fake_registry::ImmutableTags;
use image_sync_tests::{assert_overwriting, overwriting};

use crate::support::TestSync;

#[tokio::test]
async fn overwrite_says_what_becomes_of_a_tag_that_has_another_image() {
    for refuses in [
        None,
        Some(ImmutableTags::Ecr),
        Some(ImmutableTags::Conflict),
    ] {
        let fixture = TestSync::start().await;
        let catalog = overwriting(&fixture.source, &fixture.target);
        fixture.target.behave(|b| b.immutable_tags = refuses);
        let ended = fixture.program.sync(&catalog, &[]).await;
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        assert_overwriting(&ended.report(), &fixture.target, refuses.is_some());
        let written = fixture.target.count("PUT", "/v2/other/never/*");
        assert_eq!(written, 0, "nothing is written to a tag that is kept");
    }
}
