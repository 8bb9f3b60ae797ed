//! What refers to images of folders, ours and those of other tools.

use std::path::Path;

use image_sync_registry::Router;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::transfer::registries::{Pushed, Registries as _};
use image_sync_testkit::images::{
    artifact, cosign_bundle, image, in_toto_attestation, index, notation_signature,
    referrers_index, write_layout,
};
use image_sync_testkit::servers::{skopeo, skopeo_copy};
use image_sync_testkit::{FakeRegistry, Image};

use crate::support::{copy, copy_image, folder, repository, resolve, router, source, tag, target};

const SBOM: &str = "application/spdx+json";

async fn found(router: &Router, root: &Path, subject: &Image) -> Vec<Descriptor> {
    let at = source(folder(root));
    let found = router.referrers(&at, subject.digest(), None).await;
    found.unwrap().unwrap()
}

fn digests(images: &[&Image]) -> Vec<String> {
    let mut digests: Vec<String> = images.iter().map(|i| i.digest().to_string()).collect();
    digests.sort();
    digests
}

fn sorted(found: &[Descriptor]) -> Vec<String> {
    let mut digests: Vec<String> = found.iter().map(|f| f.digest.to_string()).collect();
    digests.sort();
    digests
}

#[tokio::test]
async fn folders_of_oras_and_of_regctl_have_referrers() {
    let app = index("app", &["linux/amd64", "linux/arm64"]);
    let sbom = artifact(SBOM, b"sbom", Some(&app));
    let of_child = notation_signature(&app.children[0]);
    let of_sbom = cosign_bundle(&sbom);
    let (of_app, attestation) = (notation_signature(&app), in_toto_attestation(&app));
    let all = [&sbom, &of_app, &attestation];
    // oras lists every manifest without a name; regctl lists what refers to something under the referrers tag.
    let scratch = tempfile::tempdir().unwrap();
    let (oras, regctl) = (scratch.path().join("oras"), scratch.path().join("regctl"));
    let mut nameless = vec![("1", &app)];
    let children = app.children.iter();
    nameless.extend(
        children
            .chain(all)
            .chain([&of_child, &of_sbom])
            .map(|image| ("", image)),
    );
    write_layout(&oras, &nameless).unwrap();
    let (of_app_tag, of_app_index) = referrers_index(&app, &all);
    let (child_tag, child_index) = referrers_index(&app.children[0], &[&of_child]);
    let (sbom_tag, sbom_index) = referrers_index(&sbom, &[&of_sbom]);
    let tagged = [
        ("1", &app),
        (&of_app_tag, &of_app_index),
        (&child_tag, &child_index),
        (&sbom_tag, &sbom_index),
    ];
    write_layout(&regctl, &tagged).unwrap();
    let router = router();
    for root in [&oras, &regctl] {
        assert_eq!(sorted(&found(&router, root, &app).await), digests(&all));
        let child = found(&router, root, &app.children[0]).await;
        assert_eq!(sorted(&child), digests(&[&of_child]));
        let notation = child[0].artifact_type.as_deref();
        assert_eq!(notation, Some("application/vnd.cncf.notary.signature"));
        let of_artifact = found(&router, root, &sbom).await;
        assert_eq!(sorted(&of_artifact), digests(&[&of_sbom]));
        assert_eq!(found(&router, root, &app.children[1]).await, []);
    }
}

#[tokio::test]
async fn the_sbom_of_the_example_is_found_under_its_own_tag() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let signed = manifest.join("../../examples/images/signed");
    let (router, at) = (router(), source(folder(&signed)));
    let image = resolve(&router, &at, "1.0").await.unwrap();
    let found = router.referrers(&at, &image, None).await.unwrap().unwrap();
    let types: Vec<_> = found
        .iter()
        .map(|entry| entry.artifact_type.as_deref())
        .collect();
    assert_eq!(types, [Some(SBOM)]);
    assert_eq!(
        Some(&found[0].digest),
        resolve(&router, &at, "sbom").await.as_ref()
    );
    let signature = format!("sha256-{}.sig", image.hex());
    assert!(resolve(&router, &at, &signature).await.is_some());
}

#[tokio::test]
async fn what_is_pushed_to_a_folder_is_listed_and_skopeo_reads_the_folder_still() {
    let scratch = tempfile::tempdir().unwrap();
    let registry = FakeRegistry::start().await.unwrap();
    let router = router();
    let (app, other) = (image("app"), image("other"));
    let artifacts = [artifact(SBOM, b"sbom", Some(&app)), cosign_bundle(&app)];
    registry.put_image("app", "1", &app);
    registry.put_image("app", "2", &other);
    let from = source(repository(registry.host(), "app"));
    let ours = scratch.path().join("ours");
    let to = target(folder(&ours));
    let nothing = router.referrers(&to, app.digest(), None).await;
    assert_eq!(
        nothing,
        Ok(Some(Vec::new())),
        "a target that is no folder yet"
    );
    copy_image(&router, &from, &to, "1", &app).await;
    for artifact in &artifacts {
        registry.put_untagged("app", artifact);
        for blob in artifact.all_blobs() {
            copy(&router, &from, &to, &blob.descriptor()).await.unwrap();
        }
        let by_digest = Reference::Digest(artifact.digest().clone());
        let pushed = router
            .push_manifest(&to, &by_digest, &artifact.manifest)
            .await;
        let subject = Some(app.digest().clone());
        assert_eq!(
            pushed,
            Ok(Pushed { subject }),
            "it needs no index under a tag"
        );
    }
    copy_image(&router, &from, &to, "2", &other).await;
    let listed = sorted(&found(&router, &ours, &app).await);
    assert_eq!(listed, digests(&artifacts.iter().collect::<Vec<_>>()));
    assert_eq!(
        router.tags(&to).await,
        Ok(vec!["1".to_owned(), "2".to_owned()])
    );
    for (name, image) in [("1", &app), ("2", &other)] {
        let at = format!("oci:{}:{name}", ours.display());
        let raw = skopeo(&["inspect", "--raw", &at]).await.unwrap();
        assert_eq!(raw.as_bytes(), image.bytes());
        let copied = format!("oci:{}:{name}", scratch.path().join("copied").display());
        skopeo_copy(&at, &copied).await.unwrap();
    }
    let copied = source(folder(&scratch.path().join("copied")));
    let resolved = router.resolve(&copied, &tag("1")).await.unwrap().unwrap();
    assert_eq!(resolved.digest, *app.digest());
}
