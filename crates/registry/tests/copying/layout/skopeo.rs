//! What skopeo makes of our folders, and we of its.

use std::path::Path;

use image_sync_shared::failure::FailureClass;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::images::{artifact, image, index};
use image_sync_testkit::servers::{skopeo, skopeo_copy, skopeo_inspect};
use serde_json::Value;

use crate::support::{copy_image, folder, repository, resolve, router, source, tag, target};

fn oci(root: &Path, tag: &str) -> String {
    format!("oci:{}:{tag}", root.display())
}

#[tokio::test]
async fn skopeo_reads_what_was_written() {
    let scratch = tempfile::tempdir().unwrap();
    let ours = scratch.path().join("ours");
    let registry = FakeRegistry::start().await.unwrap();
    let router = router();
    let (image, index) = (image("one"), index("many", &["linux/amd64", "linux/arm64"]));
    registry.put_image("app", "one", &image);
    registry.put_image("app", "many", &index);
    let from = source(repository(registry.host(), "app"));
    let to = target(folder(&ours));
    copy_image(&router, &from, &to, "one", &image).await;
    copy_image(&router, &from, &to, "many", &index).await;

    let inspected = skopeo_inspect(&oci(&ours, "one")).await.unwrap();
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["Digest"], image.digest().to_string());
    let raw = ["inspect", "--raw", &oci(&ours, "many")];
    assert_eq!(skopeo(&raw).await.unwrap().as_bytes(), index.bytes());

    // skopeo hashes what it copies.
    for (tag, digest) in [("one", image.digest()), ("many", index.digest())] {
        let copied = scratch.path().join("copied");
        skopeo_copy(&oci(&ours, tag), &oci(&copied, tag))
            .await
            .unwrap();
        let read = resolve(&router, &source(folder(&copied)), tag).await;
        assert_eq!(read.as_ref(), Some(digest));
        let pushed = format!("docker://{}/skopeo:{tag}", registry.host());
        skopeo_copy(&oci(&ours, tag), &pushed).await.unwrap();
        assert_eq!(registry.digest("skopeo", tag).as_ref(), Some(digest));
    }
    registry.assert_every_tag_is_complete();
}

#[tokio::test]
async fn what_skopeo_wrote_is_read_and_added_to() {
    let scratch = tempfile::tempdir().unwrap();
    let theirs = scratch.path().join("theirs");
    let registry = FakeRegistry::start().await.unwrap();
    let router = router();
    let (image, index) = (image("one"), index("many", &["linux/amd64", "linux/arm64"]));
    registry.put_image("app", "one", &image);
    registry.put_image("app", "many", &index);
    let pulled = format!("docker://{}", registry.image("app", "many"));
    skopeo_copy(&pulled, &oci(&theirs, "many")).await.unwrap();
    let back = target(repository(registry.host(), "back"));
    copy_image(&router, &source(folder(&theirs)), &back, "many", &index).await;
    registry.assert_every_tag_is_complete();

    let from = source(repository(registry.host(), "app"));
    let to = target(folder(&theirs));
    copy_image(&router, &from, &to, "one", &image).await;
    let again = scratch.path().join("again");
    for (tag, digest) in [("one", image.digest()), ("many", index.digest())] {
        skopeo_copy(&oci(&theirs, tag), &oci(&again, tag))
            .await
            .unwrap();
        let read = resolve(&router, &source(folder(&again)), tag).await;
        assert_eq!(read.as_ref(), Some(digest));
    }
    let tags = router.tags(&to).await.unwrap();
    assert_eq!(tags, ["many", "one"]);
}

#[tokio::test]
async fn what_skopeo_wrote_without_a_name_is_named_by_its_digest() {
    let scratch = tempfile::tempdir().unwrap();
    let registry = FakeRegistry::start().await.unwrap();
    let image = image("one");
    registry.put_image("app", "one", &image);
    let pulled = format!("docker://{}", registry.image("app", "one"));
    let nameless = format!("oci:{}", scratch.path().display());
    skopeo_copy(&pulled, &nameless).await.unwrap();
    let (router, from) = (router(), source(folder(scratch.path())));
    let failure = router.resolve(&from, &tag("one")).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NotFound);
    let told = failure.to_string();
    let expected = format!("names: {}", image.digest());
    assert!(
        told.contains("without a name") && told.ends_with(&expected),
        "{told}"
    );
    let digest = Reference::Digest(image.digest().clone());
    let resolved = router.resolve(&from, &digest).await.unwrap().unwrap();
    assert_eq!(&resolved.digest, image.digest());
}

#[tokio::test]
async fn artifacts_and_signatures_are_folders_content_too() {
    let scratch = tempfile::tempdir().unwrap();
    let registry = FakeRegistry::start().await.unwrap();
    let router = router();
    let image = image("one");
    let artifact = artifact("application/vnd.example.sbom", b"{}", Some(&image));
    registry.put_image("app", "sbom", &artifact);
    let from = source(repository(registry.host(), "app"));
    let to = target(folder(scratch.path()));
    copy_image(&router, &from, &to, "sbom", &artifact).await;
    let raw = ["inspect", "--raw", &oci(scratch.path(), "sbom")];
    assert_eq!(skopeo(&raw).await.unwrap().as_bytes(), artifact.bytes());
}
