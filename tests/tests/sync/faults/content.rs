//! Content that is not what it says, or that needs care.

use image_sync_shared::image::digest::{Algorithm, Digest, Hasher};
use image_sync_shared::image::manifest::RawManifest;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::{self, image, image_with_layers};

use crate::support::{REPOSITORY, TAG, TestSync, all};

fn of_manifest(raw: &RawManifest) -> Rule {
    Rule::new("GET", format!("/v2/*/manifests/{}", raw.digest))
}

#[tokio::test]
async fn a_blob_of_wrong_bytes_never_becomes_part_of_an_image() {
    let image = image_with_layers("app", 1, 100_000);
    let fixture = TestSync::with(&image).await;
    fixture.source.stage(all("GET", "blobs"), Fault::WrongBytes);
    fixture.fails(3, &["source: pull blob", "sha256:"]).await;
    for blob in &image.blobs {
        assert!(!fixture.target.has_blob(REPOSITORY, &blob.digest));
    }
}

#[tokio::test]
async fn a_blob_of_wrong_bytes_once_is_read_again() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture
        .source
        .stage(all("GET", "blobs").first(1), Fault::WrongBytes);
    fixture.is_copied(&image, 1).await;
}

#[tokio::test]
async fn a_blob_that_is_too_short_or_too_long_fails() {
    for fault in [Fault::TooShort(7), Fault::TooLong(7)] {
        let fixture = TestSync::with(&image_with_layers("app", 1, 100_000)).await;
        fixture.source.stage(all("GET", "blobs"), fault);
        fixture.fails(3, &["source: pull blob"]).await;
    }
}

#[tokio::test]
async fn a_content_encoding_that_is_a_mere_label_changes_nothing() {
    for (kind, label) in [("blobs", "x-gzip"), ("blobs", ""), ("manifests", "gzip")] {
        let image = image("app");
        let fixture = TestSync::with(&image).await;
        let labelled = Fault::SetHeader("Content-Encoding".to_owned(), label.to_owned());
        fixture.source.stage(all("GET", kind), labelled);
        fixture.is_copied(&image, 1).await;
    }
}

#[tokio::test]
async fn a_blob_that_is_encoded_once_more_is_refused() {
    let fixture = TestSync::with(&image("app")).await;
    fixture.source.stage(all("GET", "blobs"), Fault::Encoded);
    fixture
        .fails(1, &["source: pull blob", "Content-Encoding", "gzip"])
        .await;
}

#[tokio::test]
async fn a_manifest_of_wrong_bytes_fails() {
    let fixture = TestSync::with(&image("app")).await;
    fixture
        .source
        .stage(all("GET", "manifests"), Fault::WrongBytes);
    fixture
        .fails(3, &["source: pull manifest", "sha256:"])
        .await;
}

#[tokio::test]
async fn a_manifest_over_4_mib_is_refused() {
    let fixture = TestSync::with(&images::oversized("app")).await;
    fixture
        .fails(1, &["source: pull manifest", "longer than 4194304 bytes"])
        .await;
}

#[tokio::test]
async fn a_manifest_that_is_an_html_page_is_refused() {
    let fixture = TestSync::with(&images::not_json("app")).await;
    fixture
        .fails(
            1,
            &[
                "source: pull manifest",
                "an HTML page came in place of a manifest",
            ],
        )
        .await;
}

#[tokio::test]
async fn schema_1_is_refused_in_words_that_help() {
    let fixture = TestSync::with(&images::schema1("app")).await;
    fixture
        .fails(1, &["source: pull manifest", "schema 1"])
        .await;
}

#[tokio::test]
async fn an_index_that_contains_itself_is_refused() {
    let (index, claimed) = images::self_containing_index("app");
    let fixture = TestSync::start().await;
    fixture
        .source
        .put_manifest_as(REPOSITORY, &claimed, &index.manifest);
    fixture.source.tag(REPOSITORY, TAG, &claimed);
    let ended = fixture.sync().await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(
        ended.only_error().contains("source: pull manifest"),
        "{ended:#?}"
    );
    fixture.nothing_broken();
}

#[tokio::test]
async fn a_descriptors_urls_are_never_followed() {
    let elsewhere = FakeRegistry::start().await.unwrap();
    let url = format!("{}/layer", elsewhere.url());
    let image = images::with_urls("app", &url);
    let fixture = TestSync::with(&image).await;
    fixture.sync().await;
    assert_eq!(elsewhere.count("*", "*"), 0);
    fixture.nothing_broken();
}

#[tokio::test]
async fn a_foreign_layer_that_the_source_lacks_is_left_where_it_is() {
    let elsewhere = FakeRegistry::start().await.unwrap();
    let image = images::foreign_layer("app", &format!("{}/layer", elsewhere.url()));
    let fixture = TestSync::with(&image).await;
    fixture.is_copied(&image, 1).await;
    assert_eq!(elsewhere.count("*", "*"), 0);
}

#[tokio::test]
async fn an_unknown_artifact_is_copied_as_it_is() {
    for artifact in [
        images::artifact("application/vnd.example.thing", b"thing", None),
        images::unknown_artifact_manifest("thing"),
        images::without_media_type("app"),
    ] {
        let fixture = TestSync::with(&artifact).await;
        fixture.is_copied(&artifact, 1).await;
        let copied = fixture.target.manifest(REPOSITORY, TAG).unwrap();
        assert_eq!(copied.bytes, artifact.manifest.bytes);
    }
}

#[tokio::test]
async fn a_child_that_is_missing_fails_the_index() {
    let index = images::index("app", &["linux/amd64", "linux/arm64"]);
    let fixture = TestSync::with(&index).await;
    fixture
        .source
        .stage(of_manifest(&index.children[1].manifest), Fault::status(404));
    fixture
        .fails(
            1,
            &[
                "source: pull manifest",
                index.children[1].digest().as_str(),
                "404",
            ],
        )
        .await;
}

#[tokio::test]
async fn a_header_with_a_wrong_digest_is_noticed() {
    let fixture = TestSync::with(&image("app")).await;
    let other = image("other");
    let wrong = Fault::SetHeader(
        "Docker-Content-Digest".to_owned(),
        other.digest().to_string(),
    );
    fixture.source.stage(all("HEAD", "manifests"), wrong);
    let ended = fixture.sync().await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.only_error().starts_with("source:"), "{ended:#?}");
    fixture.nothing_broken();
}

#[tokio::test]
async fn a_registry_that_states_no_digest_costs_a_get() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture
        .source
        .behave(|behaviour| behaviour.states_digests = false);
    fixture.is_copied(&image, 1).await;
}

#[tokio::test]
async fn an_image_that_its_source_names_by_sha512_is_in_place_from_then_on() {
    let mut image = image("app");
    let mut hasher = Hasher::new(Algorithm::Sha512);
    hasher.update(&image.manifest.bytes);
    image.manifest.digest = hasher.finish();
    let fixture = TestSync::with(&image).await;
    for (pulled, already_cached) in [(1, 0), (0, 1)] {
        let ended = fixture.sync().await;
        let summary = ended.report().head.summary;
        let expected = (pulled, already_cached);
        assert_eq!(
            (summary.pulled, summary.already_cached),
            expected,
            "{ended:#?}"
        );
    }
    assert_eq!(fixture.at_target(), Some(Digest::of(&image.manifest.bytes)));
}
