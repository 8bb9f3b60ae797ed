//! The index under the referrers tag, for registries without the API.

use image_sync_shared::image::manifest::RawManifest;
use serde_json::json;

use super::*;

/// An index under the referrers tag of `subject`.
fn put_index(fixture: &TestWorker, place: &str, subject: &Image, artifacts: &[&Image]) {
    let entries = artifacts.iter().map(|artifact| json!({
        "mediaType": artifact.manifest.media_type, "digest": artifact.digest(), "size": artifact.bytes().len(),
    }));
    let entries: Vec<_> = entries.collect();
    let bytes =
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
    let manifest = RawManifest {
        media_type: OCI_INDEX.to_owned(),
        digest: Digest::of(bytes.as_bytes()),
        bytes: bytes.into(),
    };
    let repository = place.rsplit_once(':').unwrap().0;
    fixture
        .registries
        .put_tagged(repository, &referrers_tag(subject.digest()), manifest);
}

#[tokio::test(start_paused = true)]
async fn a_source_without_the_api_lists_artifacts_under_the_referrers_tag() {
    let fixture = TestWorker::new();
    let app = image("app");
    let (sbom, seal) = (
        artifact(SBOM, b"sbom", Some(&app)),
        artifact("application/seal", b"seal", Some(&app)),
    );
    fixture.registries.put_image(SOURCE, &app);
    attach(&fixture, SOURCE, &sbom);
    attach(&fixture, SOURCE, &seal);
    put_index(&fixture, SOURCE, &app, &[&sbom, &seal]);
    let ran = fixture.work([all()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(2, 0)));
    let mut listed = listed_at_target(&fixture, app.digest());
    listed.sort();
    let mut expected = [sbom.digest().clone(), seal.digest().clone()];
    expected.sort();
    assert_eq!(listed, expected);
    let again = fixture.work([all()]).await;
    assert_eq!(again.only().entry.artifacts, Some(counts(0, 2)));
}

#[tokio::test(start_paused = true)]
async fn what_the_api_and_the_referrers_tag_list_is_merged() {
    let fixture = TestWorker::new();
    let app = image("app");
    // Of a time before the registry had the API, which does not know of it.
    let (sbom, seal) = (
        artifact(SBOM, b"sbom", Some(&app)),
        artifact("application/seal", b"seal", None),
    );
    fixture.registries.put_image(SOURCE, &app);
    attach(&fixture, SOURCE, &sbom);
    put_index(&fixture, SOURCE, &app, &[&sbom, &seal]);
    attach(&fixture, SOURCE, &seal);
    fixture.registries.have_referrers_api("source.test");
    let ran = fixture.work([all()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(2, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_target_with_the_api_lists_what_is_pushed_itself() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("source.test");
    fixture.registries.have_referrers_api("cache.test");
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    attach(&fixture, SOURCE, &artifact(SBOM, b"sbom", Some(&app)));
    fixture.work([all()]).await;
    assert_eq!(listed_at_target(&fixture, app.digest()), []);
}

#[tokio::test(start_paused = true)]
async fn the_entries_of_others_stay_in_the_index_of_the_target() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("source.test");
    let app = image("app");
    let (sbom, theirs) = (
        artifact(SBOM, b"sbom", Some(&app)),
        artifact("application/theirs", b"x", Some(&app)),
    );
    fixture.registries.put_image(SOURCE, &app);
    fixture.registries.put_image(TARGET, &app);
    attach(&fixture, SOURCE, &sbom);
    attach(&fixture, TARGET, &theirs);
    put_index(&fixture, TARGET, &app, &[&theirs]);
    fixture.work([all()]).await;
    let listed = listed_at_target(&fixture, app.digest());
    assert_eq!(listed, [theirs.digest().clone(), sbom.digest().clone()]);
}

#[tokio::test(start_paused = true)]
async fn two_images_of_one_digest_lose_no_entry_of_the_index_that_they_share() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("source.test");
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    fixture.registries.put_image("source.test/app:2", &app);
    fixture.registries.put_image("other.test/app:3", &app);
    fixture.registries.have_referrers_api("other.test");
    let (sbom, seal) = (
        artifact(SBOM, b"sbom", Some(&app)),
        artifact("application/seal", b"seal", Some(&app)),
    );
    attach(&fixture, SOURCE, &sbom);
    attach(&fixture, "other.test/app:3", &seal);
    // The first has read the index, and waits with its write until the second has come as far as it can.
    let tag = referrers_tag(app.digest());
    let gate = fixture.registries.gate(Call::PushManifest, &tag);
    let mut other = job("other.test/app:3", "cache.test/app:3");
    other.policy.image.referrers = Some(Box::default());
    let open = async {
        gate.arrived().await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        gate.open();
    };
    let (ran, ()) = tokio::join!(fixture.work([all(), other]), open);
    for result in &ran.results {
        assert_eq!(result.entry.artifacts, Some(counts(1, 0)), "{result:#?}");
    }
    let mut listed = listed_at_target(&fixture, app.digest());
    listed.sort();
    let mut expected = [sbom.digest().clone(), seal.digest().clone()];
    expected.sort();
    assert_eq!(listed, expected);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_died_after_an_artifact_and_before_the_index_leaves_nothing_unlisted() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("source.test");
    let app = image("app");
    let sbom = artifact(SBOM, b"sbom", Some(&app));
    fixture.registries.put_image(SOURCE, &app);
    attach(&fixture, SOURCE, &sbom);
    fixture
        .registries
        .panic(Call::PushManifest, &referrers_tag(app.digest()), 1);
    let ran = fixture.work([all()]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled, "{:#?}", ran.only());
    assert_eq!(
        listed_at_target(&fixture, app.digest()),
        [sbom.digest().clone()]
    );
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_reads_the_referrers_tag_as_the_digest_lists_nothing_by_it() {
    let fixture = TestWorker::new();
    let index = index("app", &["linux/amd64", "linux/arm64"]);
    let name = referrers_tag(index.digest());
    for repository in ["source.test/app", "cache.test/app"] {
        fixture
            .registries
            .put_tagged(repository, &name, index.manifest.clone());
    }
    fixture.registries.put_image(SOURCE, &index);
    fixture.registries.put_image(TARGET, &index);
    let ran = fixture.work([all()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(0, 0)));
    let sbom = artifact(SBOM, b"sbom", Some(&index));
    attach(&fixture, SOURCE, &sbom);
    fixture.registries.have_referrers_api("source.test");
    tokio::time::advance(std::time::Duration::from_secs(90 * 60)).await;
    let ran = fixture.work([all()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(1, 0)));
    let listed = listed_at_target(&fixture, index.digest());
    assert_eq!(listed, [sbom.digest().clone()]);
    let mut of_one = job(SOURCE, "cache.test/other:1");
    of_one.policy.image.referrers = Some(Box::default());
    of_one.platforms = "linux/amd64".parse().unwrap();
    let ran = fixture.work([of_one]).await;
    let unfit = ran.only().entry.artifacts.unwrap().unfit;
    assert_eq!(unfit, 1, "the SBOM, and not the images of the index");
}
