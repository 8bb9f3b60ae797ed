use std::collections::BTreeSet;

use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::image::media_type::OCI_INDEX;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::Image;
use image_sync_testkit::images::{Blob, image, index_with_attestations};
use serde_json::json;

use crate::tests::{Call, TestWorker, job};

const SOURCE: &str = "source.test/app:1";
const TARGET: &str = "cache.test/app:1";
const THREE: [&str; 3] = ["linux/amd64", "linux/arm64", "linux/s390x"];

fn for_platforms(platforms: &str) -> Job {
    Job {
        platforms: platforms.parse().unwrap(),
        ..job(SOURCE, TARGET)
    }
}

/// The source answers 404 to what is about `digest`, so often.
fn lose(fixture: &TestWorker, call: Call, digest: &str, times: usize) {
    let class = FailureClass::NotFound;
    fixture
        .registries
        .fail(call, digest, Side::Source, class, times);
}

/// A worker whose source lists attestations and serves none.
fn without_attestations() -> (TestWorker, Image) {
    let fixture = TestWorker::new();
    let index = index_with_attestations("app", &THREE);
    fixture.registries.put_image(SOURCE, &index);
    for attestation in &index.children[THREE.len()..] {
        let digest = attestation.digest().as_str();
        lose(&fixture, Call::PullManifest, digest, usize::MAX);
    }
    (fixture, index)
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_moves_during_the_copy_is_resolved_once_more() {
    let fixture = TestWorker::new();
    let (old, new) = (image("old"), image("new"));
    fixture.registries.put_image(SOURCE, &old);
    lose(
        &fixture,
        Call::PullManifest,
        old.digest().as_str(),
        usize::MAX,
    );
    let gate = fixture.registries.gate(Call::Resolve, TARGET);
    let moved = async {
        gate.arrived().await;
        fixture.registries.put_image(SOURCE, &new);
        gate.open();
    };
    let (ran, ()) = tokio::join!(fixture.work([job(SOURCE, TARGET)]), moved);
    let entry = &ran.only().entry;
    assert_eq!(entry.action, Action::Pulled, "{:?}", entry.error);
    assert_eq!(entry.remote_digest.as_ref(), Some(new.digest()));
    assert_eq!(entry.attempts, 1);
    assert_eq!(fixture.registries.tag(TARGET).as_ref(), Some(new.digest()));
}

#[tokio::test(start_paused = true)]
async fn a_404_of_a_blob_or_of_a_manifest_by_digest_that_passes_fails_nothing() {
    let index = index_with_attestations("app", &THREE);
    let blob = index.children[0].blobs[0].digest.as_str();
    let child = index.children[0].digest().as_str();
    for (call, digest) in [(Call::CopyBlob, blob), (Call::PullManifest, child)] {
        let fixture = TestWorker::new();
        fixture.registries.put_image(SOURCE, &index);
        lose(&fixture, call, digest, 1);
        let ran = fixture.work([job(SOURCE, TARGET)]).await;
        let entry = &ran.only().entry;
        assert_eq!((entry.action, entry.attempts), (Action::Pulled, 1));
        assert_eq!(
            fixture.registries.tag(TARGET).as_ref(),
            Some(index.digest())
        );
        assert!(fixture.registries.written_incomplete().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_404_that_lasts_is_retried_once_and_then_the_failure() {
    let image = image("app");
    let blob = image.blobs[0].digest.as_str();
    let fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &image);
    lose(&fixture, Call::CopyBlob, blob, usize::MAX);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let result = ran.only();
    assert_eq!(result.class, Some(FailureClass::NotFound));
    assert_eq!(result.entry.attempts, 1);
    let asked = fixture.registries.count(&format!("GET source blob {blob}"));
    assert_eq!(asked, 2);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_serves_nothing_by_digest_is_read_by_its_tag() {
    let fixture = TestWorker::new();
    let image = image("app");
    fixture.registries.put_image(SOURCE, &image);
    lose(
        &fixture,
        Call::PullManifest,
        image.digest().as_str(),
        usize::MAX,
    );
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert_eq!(
        fixture.registries.tag(TARGET).as_ref(),
        Some(image.digest())
    );
    assert_eq!(fixture.registries.count("HEAD source manifest"), 1);
}

#[tokio::test(start_paused = true)]
async fn attestations_that_are_not_served_are_left_out_where_platforms_are_chosen() {
    let (fixture, index) = without_attestations();
    for platforms in ["linux/amd64,linux/arm64", &THREE.join(",")] {
        let ran = fixture.work([for_platforms(platforms)]).await;
        let entry = &ran.only().entry;
        assert_eq!(entry.action, Action::Pulled, "{:?}", entry.error);
        let chosen_count = u32::try_from(platforms.split(',').count()).unwrap();
        assert_eq!(entry.attestations_left_out, chosen_count);
        let root = fixture.registries.tag(TARGET).unwrap();
        assert_eq!(entry.expected_digest.as_ref(), Some(&root));
        let manifest = fixture
            .registries
            .manifest("cache.test/app", &root)
            .unwrap();
        let text = String::from_utf8(manifest.bytes.to_vec()).unwrap();
        let chosen: BTreeSet<&str> = platforms.split(',').collect();
        for (platform, child) in THREE.iter().zip(&index.children) {
            let is_there = text.contains(child.digest().as_str());
            assert_eq!(is_there, chosen.contains(platform), "{platform}: {text}");
        }
        assert!(!text.contains("attestation-manifest"), "{text}");

        fixture.registries.forget_requests();
        let again = fixture.work([for_platforms(platforms)]).await;
        assert_eq!(again.only().entry.action, Action::AlreadyCached);
        assert_eq!(fixture.registries.requests().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attestation_that_is_not_served_fails_the_whole_index_and_is_told() {
    let (fixture, _index) = without_attestations();
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let result = ran.only();
    assert_eq!(result.class, Some(FailureClass::NotFound));
    let error = result.entry.error.as_deref().unwrap();
    assert!(
        error.contains("lists this attestation, but the source does not serve it"),
        "{error}"
    );
    assert_eq!(fixture.registries.tag(TARGET), None);
}

#[tokio::test(start_paused = true)]
async fn what_an_index_lists_with_an_unknown_type_is_a_manifest_or_else_a_blob() {
    let fixture = TestWorker::new();
    let child = image("app");
    let blob = Blob::new("application/vnd.acme.thing.v1", "a thing");
    let mut as_unknown = child.descriptor();
    "application/vnd.acme.image.v1".clone_into(&mut as_unknown.media_type);
    let json = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [as_unknown, blob.descriptor()],
    });
    let mut index = Image::from_bytes(OCI_INDEX, json.to_string());
    index.blobs.push(blob.clone());
    index.children.push(child.clone());
    fixture.registries.put_image(SOURCE, &index);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert_eq!(
        fixture.registries.tag(TARGET).as_ref(),
        Some(index.digest())
    );
    let sent = format!("PUT target blob {}", blob.digest);
    assert_eq!(fixture.registries.count(&sent), 1);
    let at_target = fixture
        .registries
        .manifest("cache.test/app", child.digest());
    assert!(at_target.is_some());
}
