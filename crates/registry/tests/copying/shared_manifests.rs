//! Manifests of a source that several targets need at the same time.

use futures_util::future::join_all;
use image_sync_shared::failure::FailureClass;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::image;

use crate::support::{RouterBuilder, repository, source, tag};

#[tokio::test]
async fn a_manifest_is_read_once_by_its_digest_and_each_time_by_its_tag() {
    let registry = FakeRegistry::start().await.unwrap();
    let router = RouterBuilder::new().sharing().router();
    let image = image("app");
    registry.put_image("from", "1.0", &image);
    let from = source(repository(registry.host(), "from"));
    let digest = Reference::Digest(image.digest().clone());
    for _ in 0..2 {
        let read = || router.pull_manifest(&from, &digest);
        for manifest in join_all([read(), read(), read()]).await {
            assert_eq!(manifest.unwrap(), image.manifest);
        }
    }
    let path = format!("/v2/from/manifests/{digest}");
    assert_eq!(registry.count("GET", &path), 1);
    for _ in 0..2 {
        let tagged = router.pull_manifest(&from, &tag("1.0")).await;
        assert_eq!(tagged.unwrap(), image.manifest);
    }
    assert_eq!(registry.count("GET", "/v2/from/manifests/1.0"), 2);
}

#[tokio::test]
async fn a_manifest_that_one_caller_failed_to_read_is_read_again_by_the_next() {
    let registry = FakeRegistry::start().await.unwrap();
    let router = RouterBuilder::new().sharing().router();
    let image = image("app");
    registry.put_image("from", "1.0", &image);
    let from = source(repository(registry.host(), "from"));
    let digest = Reference::Digest(image.digest().clone());
    let any = Rule::new("GET", "/v2/from/manifests/*");
    let refusal = registry.stage(any.first(1), Fault::status(503));
    let read = || router.pull_manifest(&from, &digest);
    for failed in join_all([read(), read(), read()]).await {
        assert_eq!(failed.unwrap_err().class, FailureClass::Unavailable);
    }
    assert_eq!(refusal.hits(), 1);
    assert_eq!(read().await.unwrap(), image.manifest);
    // Under a lower limit the same bytes are too many, whoever has them.
    let limit = image.manifest.bytes.len() - 1;
    let too_long = router.pull_manifest_up_to(limit, &from, &digest).await;
    assert_eq!(too_long.unwrap_err().class, FailureClass::Invalid);
}
