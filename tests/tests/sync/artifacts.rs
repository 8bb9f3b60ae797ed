//! What belongs to an image comes along: its signatures, attestations and SBOMs.

use std::path::Path;

use image_sync_shared::run::outcome::{Action, ArtifactCounts};
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::images::{
    Image, artifact, cosign_attestation, cosign_bundle, cosign_sbom, cosign_signature, image,
    in_toto_attestation, index, notation_signature,
};
use image_sync_testkit::servers::{DockerRegistry, skopeo};
use image_sync_tests::{Catalog, Entry};
use serde_json::Value;

use crate::support::{REPOSITORY, TAG, TestSync, program};

const SIGNED: &str = "0452118ca3d016ee77da3dd0fa34a3896f8dedd28e9dc0f635a9810476390fc7";
const SIGNATURE: &str = "sha256:0e445b65639fd372fd7f42a39e0cd7d2e82663a3a0b6c2bab816e7edf081f06e";
const SBOM: &str = "sha256:966976aad87c578c5e7f3823c957ea84f7f54f9f6421688df830be722a9400f8";

fn copied(copied: u32) -> ArtifactCounts {
    ArtifactCounts {
        copied,
        ..ArtifactCounts::default()
    }
}

fn present(present: u32) -> ArtifactCounts {
    ArtifactCounts {
        present,
        ..ArtifactCounts::default()
    }
}

/// What skopeo reads at `host` as the signed example with this tag.
async fn read_back(host: &str, tag: &str) -> Value {
    let place = format!("docker://{host}/signed:{tag}");
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &place]).await;
    serde_json::from_str(&raw.unwrap()).unwrap()
}

#[tokio::test]
async fn the_signed_example_comes_with_its_signature_and_sbom_by_one_line_of_the_config() {
    let target = DockerRegistry::start().await.unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/images/signed");
    let entry = Entry::new(&format!("oci:{}", example.display()), "1.0").with("referrers: true");
    let catalog = Catalog::new(target.host()).image(entry);
    let program = program();
    let ended = program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.only_result().artifacts, Some(copied(2)), "{ended:#?}");

    let signature = read_back(target.host(), &format!("sha256-{SIGNED}.sig")).await;
    let layer = &signature["layers"][0];
    let payload = "application/vnd.dev.cosign.simplesigning.v1+json";
    assert_eq!(layer["mediaType"], payload, "{signature}");
    let place = format!("docker://{}/signed@{SIGNATURE}", target.host());
    let format = "--format={{.Digest}}";
    let digest = skopeo(&["inspect", format, "--tls-verify=false", &place]).await;
    assert_eq!(digest.unwrap().trim(), SIGNATURE);
    // A registry without the referrers API has them in the index of this tag.
    let index = read_back(target.host(), &format!("sha256-{SIGNED}")).await;
    let listed = index["manifests"].as_array().unwrap();
    let [sbom] = listed.as_slice() else {
        panic!("one referrer, not {index}")
    };
    assert_eq!(sbom["digest"], SBOM);
    assert_eq!(sbom["artifactType"], "application/spdx+json");

    let again = program.sync(&catalog, &[]).await;
    let result = again.only_result();
    assert_eq!(result.action, Action::AlreadyCached);
    assert_eq!(result.artifacts, Some(present(2)), "{again:#?}");
}

/// A fixture whose source has the referrers API, and a catalog of its image with these referrers.
async fn signed(referrers: &str) -> (TestSync, Catalog) {
    let fixture = TestSync::with(&image("app")).await;
    for registry in [&fixture.source, &fixture.target] {
        registry.behave(|behaviour| behaviour.referrers = true);
    }
    let entry = fixture.entry(REPOSITORY, TAG);
    let entry = entry.with(&format!("referrers: {referrers}"));
    let catalog = fixture.empty_catalog().image(entry);
    (fixture, catalog)
}

/// Signs the image at `registry`, in both ways.
fn sign(registry: &FakeRegistry, repository: &str) {
    let app = image("app");
    let (tag, signature) = cosign_signature(&app);
    registry.put_image(repository, &tag, &signature);
    registry.put_untagged(repository, &notation_signature(&app));
}

#[tokio::test]
async fn an_image_without_the_artifacts_that_it_has_to_have_fails_and_comes_once_it_is_signed() {
    let (fixture, catalog) = signed("{required: true}").await;
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert_eq!(fixture.at_target(), None);
    sign(&fixture.source, REPOSITORY);
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.only_result().artifacts, Some(copied(2)), "{ended:#?}");
    let app = image("app");
    let (tag, signature) = cosign_signature(&app);
    let at_target = fixture.target.digest(REPOSITORY, &tag);
    assert_eq!(at_target.as_ref(), Some(signature.digest()));
    fixture.nothing_broken();
}

#[tokio::test]
async fn artifacts_that_a_target_refuses_fail_alone_unless_they_are_required() {
    for (referrers, code) in [("true", 0), ("{required: true}", 1)] {
        let (fixture, catalog) = signed(referrers).await;
        sign(&fixture.source, REPOSITORY);
        fixture
            .target
            .behave(|behaviour| behaviour.refuses_subjects = true);
        let ended = fixture.program.sync(&catalog, &[]).await;
        assert_eq!(ended.code, Some(code), "{referrers}: {ended:#?}");
        let has_come = fixture.at_target().is_some();
        assert_eq!(has_come, code == 0, "{referrers}: {ended:#?}");
        if has_come {
            let result = ended.only_result();
            let artifacts = result.artifacts.unwrap();
            assert_eq!((artifacts.copied, artifacts.failed), (1, 1), "{ended:#?}");
            let note = result.note.clone().unwrap();
            assert!(note.starts_with("artifacts: target: "), "{note}");
        }
        fixture.nothing_broken();
    }
}

#[tokio::test]
async fn artifacts_of_another_repository_come_beside_the_image() {
    let (fixture, _) = signed("true").await;
    sign(&fixture.source, "team/signatures");
    let from = format!("{}/team/signatures", fixture.source.host());
    let entry = fixture.entry(REPOSITORY, TAG);
    let entry = entry.with(&format!("referrers: {{from: {from:?}, types: '*cosign*'}}"));
    let catalog = fixture.empty_catalog().image(entry);
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.only_result().artifacts, Some(copied(1)), "{ended:#?}");
    let (tag, signature) = cosign_signature(&image("app"));
    let at_target = fixture.target.digest(REPOSITORY, &tag);
    assert_eq!(at_target.as_ref(), Some(signature.digest()));
}

#[tokio::test]
async fn copy_brings_artifacts_where_it_is_told_to() {
    let (fixture, _) = signed("true").await;
    sign(&fixture.source, REPOSITORY);
    let source = format!("{}/{REPOSITORY}:{TAG}", fixture.source.host());
    let target = format!("{}/{REPOSITORY}", fixture.target.host());
    let copy = ["copy", &source, &target, "--output", "table", "--all"];
    let table = async |options: &[&str]| {
        let ended = fixture.program.run(&[&copy[..], options].concat()).await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        ended.stdout
    };
    let without = table(&[]).await;
    assert!(!without.contains("ARTIFACTS"), "{without}");
    let dry = table(&["--referrers", "--dry-run"]).await;
    assert!(dry.contains("2 to copy"), "{dry}");
    let check = [&copy[..], &["--referrers", "--check"]].concat();
    let ended = fixture.program.run(&check).await;
    assert_eq!(ended.code, Some(4), "the image alone is there: {ended:#?}");
    let with = table(&["--referrers"]).await;
    assert!(
        with.contains("2 copied") && with.contains("; artifacts: 2 copied\n"),
        "{with}"
    );
    let (tag, _) = cosign_signature(&image("app"));
    assert!(fixture.target.digest(REPOSITORY, &tag).is_some());
    let ended = fixture.program.run(&check).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

/// An artifact, and the tag that it has where it has one.
type Kind = (Option<String>, Image);

/// An artifact of each kind at `app`, one at an artifact, one at a child, and more than go on one page.
fn of_each_kind(app: &Image) -> Vec<Kind> {
    let tagged = |(tag, artifact): (String, Image)| (Some(tag), artifact);
    let bundle = cosign_bundle(app);
    let seal = artifact("application/vnd.acme.seal", b"seal", Some(&bundle));
    let mut all = vec![
        tagged(cosign_signature(app)),
        tagged(cosign_attestation(app)),
        tagged(cosign_sbom(app)),
        tagged(cosign_signature(&app.children[0])),
        (None, bundle),
        (None, seal),
        (None, notation_signature(app)),
        (None, in_toto_attestation(app)),
    ];
    all.extend((0..40).map(|n| {
        let content = format!("number {n}");
        let more = artifact("application/spdx+json", content.as_bytes(), Some(app));
        (None, more)
    }));
    all
}

#[tokio::test]
async fn each_kind_of_artifact_is_whole_in_a_folder_and_at_registries_with_the_api_and_without() {
    let fixture = TestSync::with(&image("app")).await;
    let app = index("whole", &["linux/amd64", "linux/arm64"]);
    let kinds = of_each_kind(&app);
    fixture.source.behave(|behaviour| {
        behaviour.referrers = true;
        behaviour.page_size = 7;
    });
    fixture
        .target
        .behave(|behaviour| behaviour.referrers = true);
    fixture.source.put_image("whole", "1", &app);
    for (tag, artifact) in &kinds {
        match tag {
            Some(tag) => fixture.source.put_image("whole", tag, artifact),
            None => fixture.source.put_untagged("whole", artifact),
        }
    }
    let registry = DockerRegistry::start().await.unwrap();
    let folder = format!("oci:{}", fixture.program.home().join("folder").display());
    let hops = [
        (fixture.source.host(), folder.as_str()),
        (folder.as_str(), registry.host()),
        (registry.host(), fixture.target.host()),
    ];
    for (from, to) in hops {
        let entry = Entry::new(&format!("{from}/whole"), "1").platform("all");
        let entry = entry.cache_as("whole").with("referrers: true");
        let catalog = Catalog::new(to).image(entry);
        let catalog = [fixture.source.host(), registry.host()]
            .into_iter()
            .fold(catalog, |catalog, host| {
                catalog.registry(host, "{insecure: true}")
            });
        let ended = fixture.program.sync(&catalog, &[]).await;
        assert_eq!(ended.code, Some(0), "{from} {to}: {ended:#?}");
        let expected = copied(u32::try_from(kinds.len()).unwrap());
        assert_eq!(ended.only_result().artifacts, Some(expected), "{from} {to}");
    }
    for (tag, artifact) in &kinds {
        let name = tag.as_deref().unwrap_or(artifact.digest().as_str());
        let found = fixture.target.manifest("whole", name);
        let found = found.map(|manifest| manifest.digest);
        assert_eq!(found.as_ref(), Some(artifact.digest()), "{name}");
    }
    fixture.nothing_broken();
}
