//! Copies between real registries (distribution 2.8), their requests counted in their own access logs.

use image_sync_shared::ports::transfer::registries::{Arrival, BlobCopy, Registries as _};
use image_sync_testkit::images::{image_with_layers, index};
use image_sync_testkit::servers::DockerRegistry;

use super::support::{
    LARGE, copy, copy_image, folder, repository, resolve, router, source, tag, target,
};

async fn methods(registry: &DockerRegistry) -> Vec<String> {
    let requests = registry.requests().await.unwrap();
    requests.into_iter().map(|request| request.method).collect()
}

#[tokio::test]
async fn a_blob_costs_one_request_at_its_source_and_two_at_its_target() {
    let from = DockerRegistry::start().await.unwrap();
    let to = DockerRegistry::start().await.unwrap();
    let image = image_with_layers("app", 1, LARGE);
    from.push("app", "1", &image).await.unwrap();
    from.forget_requests().await.unwrap();
    let router = router();
    let at_source = source(repository(from.host(), "app"));
    let at_target = target(repository(to.host(), "new"));
    for blob in &image.blobs {
        copy(&router, &at_source, &at_target, &blob.descriptor())
            .await
            .unwrap();
    }
    assert_eq!(methods(&from).await, ["GET", "GET"]);
    assert_eq!(methods(&to).await, ["POST", "PUT", "POST", "PUT"]);
}

#[tokio::test]
async fn a_mounted_blob_costs_one_request() {
    let registry = DockerRegistry::start().await.unwrap();
    let image = image_with_layers("base", 1, 1000);
    registry.push("base", "1", &image).await.unwrap();
    registry.forget_requests().await.unwrap();
    let router = router();
    let base = repository(registry.host(), "base");
    let at_source = source(repository("127.0.0.1:1", "not-asked"));
    let at_target = target(repository(registry.host(), "app"));
    let blob = image.blobs[1].descriptor();
    for mount_from in [&base, &at_target.repository] {
        let copy = BlobCopy {
            source: &at_source,
            target: &at_target,
            blob: &blob,
            mount_from: Some(mount_from),
            may_mount: true,
            on_bytes: &|_| {},
        };
        assert_eq!(router.copy_blob(copy).await, Ok(Arrival::Mounted));
    }
    assert_eq!(methods(&registry).await, ["POST", "POST"]);
    let there = router.has_blob(&at_target, &blob.digest).await;
    assert_eq!(there, Ok(true));
}

#[tokio::test]
async fn images_go_through_a_folder_with_their_digests() {
    let scratch = tempfile::tempdir().unwrap();
    let from = DockerRegistry::start().await.unwrap();
    let to = DockerRegistry::start().await.unwrap();
    let image = index("app", &["linux/amd64", "linux/arm64"]);
    from.push("app", "1", &image).await.unwrap();
    let router = router();
    let steps = [
        repository(from.host(), "app"),
        folder(scratch.path()),
        repository(to.host(), "cache/app"),
    ];
    for step in steps.windows(2) {
        let (at_source, at_target) = (source(step[0].clone()), target(step[1].clone()));
        copy_image(&router, &at_source, &at_target, "1", &image).await;
        let digest = resolve(&router, &at_target, "1").await;
        assert_eq!(digest.as_ref(), Some(image.digest()));
    }
    let at_target = source(steps[2].clone());
    let manifest = router.pull_manifest(&at_target, &tag("1")).await.unwrap();
    assert_eq!(&manifest.bytes, image.bytes());
}
