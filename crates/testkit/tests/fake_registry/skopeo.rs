//! An independent client.

use image_sync_testkit::images::{docker_list, index, index_with_attestations};
use image_sync_testkit::servers::skopeo_copy;
use image_sync_testkit::{FakeRegistry, PrivateCa};

#[tokio::test]
async fn skopeo_copies_from_one_fake_to_another() {
    let source = FakeRegistry::start().await.unwrap();
    let ca = PrivateCa::new().unwrap();
    let target = FakeRegistry::builder().tls(&ca).start().await.unwrap();
    let platforms = ["linux/amd64", "linux/arm64"];
    let oci = index("app", &platforms);
    for image in [
        &oci,
        &docker_list("old", &platforms),
        &index_with_attestations("new", &platforms),
    ] {
        source.put_image("app", "1", image);
        source.assert_every_tag_is_complete();
        let from = format!("docker://{}", source.image("app", "1"));
        let to = format!("docker://{}", target.image("mirror/app", "2"));
        skopeo_copy(&from, &to).await.unwrap();
        let copied = target.manifest("mirror/app", "2");
        assert_eq!(copied.as_ref(), Some(&image.manifest));
    }
    target.assert_every_tag_is_complete();
    assert_eq!(target.open_uploads(), Vec::<String>::new());
    assert_eq!(target.count("PUT", "/v2/*/manifests/2"), 3);
    assert!(
        oci.all_blobs()
            .iter()
            .all(|blob| target.has_blob("mirror/app", &blob.digest))
    );
}
