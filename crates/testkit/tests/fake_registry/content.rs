//! Manifests, blobs and lists.

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::media_type::{DOCKER_MANIFEST, OCI_MANIFEST};
use image_sync_testkit::fake_registry::{ImmutableTags, Synthetic};
use image_sync_testkit::{FakeRegistry, Image, images};

use crate::client::{Client, ask};

#[tokio::test]
async fn a_head_tells_digest_and_length_and_keeps_the_connection() {
    let registry = FakeRegistry::start().await.unwrap();
    let image = images::image("app");
    registry.put_image("app", "1", &image);
    let mut client = Client::to(&registry).await.unwrap();
    for reference in ["1", image.digest().as_str()] {
        let target = format!("/v2/app/manifests/{reference}");
        let head = client.ask("HEAD", &target, &[], &[]).await.unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(
            head.header("docker-content-digest"),
            image.digest().as_str()
        );
        assert_eq!(head.header("content-type"), OCI_MANIFEST);
        assert_eq!(
            head.header("content-length"),
            image.bytes().len().to_string()
        );
    }
    let missing = client.get("/v2/app/manifests/2").await.unwrap();
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["errors"][0]["code"], "MANIFEST_UNKNOWN");
    let connections: Vec<u64> = registry.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}

#[tokio::test]
async fn a_part_of_a_blob() {
    let registry = FakeRegistry::start().await.unwrap();
    let digest = Digest::of(b"0123456789");
    registry.put_blob("app", &digest, &b"0123456789"[..]);
    let target = format!("/v2/app/blobs/{digest}");
    let part = ask(&registry, "GET", &target, &[("range", "bytes=4-")], &[])
        .await
        .unwrap();
    assert_eq!((part.status, part.text()), (206, "456789".to_owned()));
    assert_eq!(part.header("content-range"), "bytes 4-9/10");
    registry.behave(|b| b.ranges = false);
    let whole = ask(&registry, "GET", &target, &[("range", "bytes=4-")], &[])
        .await
        .unwrap();
    assert_eq!((whole.status, whole.text()), (200, "0123456789".to_owned()));
}

#[tokio::test]
async fn synthetic_blobs_have_their_digest() {
    let registry = FakeRegistry::start().await.unwrap();
    let blob = Synthetic::new("big", 1_000_000);
    let digest = blob.digest();
    registry.put_synthetic_blob("app", &digest, &blob);
    let target = format!("/v2/app/blobs/{digest}");
    let whole = ask(&registry, "GET", &target, &[], &[]).await.unwrap();
    assert_eq!(Digest::of(&whole.body), digest);
    let range = [("range", "bytes=700000-700009")];
    let part = ask(&registry, "GET", &target, &range, &[]).await.unwrap();
    assert_eq!(part.body, whole.body[700_000..700_010]);
}

#[tokio::test]
async fn tags_come_page_by_page() {
    let registry = FakeRegistry::start().await.unwrap();
    let image = images::image("app");
    for tag in ["a", "b", "c", "d", "e"] {
        registry.put_image("team/app", tag, &image);
    }
    registry.behave(|b| b.page_size = 2);
    let mut client = Client::to(&registry).await.unwrap();
    let mut next = "/v2/team/app/tags/list?n=3".to_owned();
    let mut pages = Vec::new();
    while !next.is_empty() {
        let page = client.get(&next).await.unwrap();
        pages.push(page.json()["tags"].to_string());
        let link = page.header("link").split('>').next().unwrap_or_default();
        next = link.trim_start_matches('<').to_owned();
    }
    assert_eq!(pages, [r#"["a","b"]"#, r#"["c","d"]"#, r#"["e"]"#]);
    let unknown = client.get("/v2/other/tags/list").await.unwrap();
    assert_eq!(unknown.json()["errors"][0]["code"], "NAME_UNKNOWN");
    let catalog = client.get("/v2/_catalog").await.unwrap();
    assert_eq!(catalog.json()["repositories"][0], "team/app");
}

async fn put(registry: &FakeRegistry, reference: &str, image: &Image) -> (u16, String) {
    let target = format!("/v2/app/manifests/{reference}");
    let headers = [("content-type", image.media_type())];
    match ask(registry, "PUT", &target, &headers, image.bytes()).await {
        Ok(answer) => (answer.status, answer.text()),
        Err(error) => (0, error.to_string()),
    }
}

#[tokio::test]
async fn a_manifest_whose_blobs_are_missing_is_refused() {
    let registry = FakeRegistry::start().await.unwrap();
    let image = images::image("app");
    let (status, text) = put(&registry, "1", &image).await;
    assert_eq!(status, 400);
    assert!(text.contains("MANIFEST_BLOB_UNKNOWN"), "{text}");
    let index = images::index("app", &["linux/amd64"]);
    assert_eq!(put(&registry, "1", &index).await.0, 400);
    for blob in &image.blobs {
        registry.put_blob("app", &blob.digest, blob.bytes.clone());
    }
    assert_eq!(put(&registry, image.digest().as_str(), &image).await.0, 201);
    assert_eq!(registry.digest("app", "1"), None);
    assert_eq!(put(&registry, "1", &image).await.0, 201);
    assert_eq!(registry.digest("app", "1").as_ref(), Some(image.digest()));
    let (status, text) = put(&registry, index.digest().as_str(), &image).await;
    assert_eq!(status, 400);
    assert!(text.contains("DIGEST_INVALID"), "{text}");
}

#[tokio::test]
async fn media_types_tags_and_repositories_are_refused_as_told() {
    let registry = FakeRegistry::start().await.unwrap();
    let image = images::docker_image("app");
    registry.put_untagged("app", &image);
    registry.behave(|b| b.refused_media_types = vec![DOCKER_MANIFEST.to_owned()]);
    for status in [400, 415] {
        registry.behave(|b| b.refusal_status = status);
        let (found, text) = put(&registry, "1", &image).await;
        assert_eq!(found, status);
        assert!(text.contains("MANIFEST_INVALID"), "{text}");
    }
    registry.behave(|b| b.refused_media_types = Vec::new());
    registry.put_image("app", "1", &images::image("other"));
    for (style, status) in [
        (ImmutableTags::Ecr, 400),
        (ImmutableTags::Harbor, 412),
        (ImmutableTags::Conflict, 409),
    ] {
        registry.behave(|b| b.immutable_tags = Some(style));
        assert_eq!(put(&registry, "1", &image).await.0, status);
        assert_eq!(put(&registry, "2", &image).await.0, 201);
        assert_eq!(
            put(&registry, "2", &image).await.0,
            201,
            "the same digest again"
        );
    }
    registry.behave(|b| b.creates_repositories = false);
    let unknown = ask(&registry, "POST", "/v2/new/blobs/uploads/", &[], &[])
        .await
        .unwrap();
    assert_eq!(unknown.json()["errors"][0]["code"], "NAME_UNKNOWN");
}

#[tokio::test]
async fn what_is_missing_below_a_tag_is_found() {
    let registry = FakeRegistry::start().await.unwrap();
    let index = images::index("app", &["linux/amd64", "linux/arm64"]);
    registry.put_image("app", "1", &index);
    registry.assert_every_tag_is_complete();
    let blob = &index.children[1].blobs[2];
    registry.remove_blob("app", &blob.digest);
    let problems = registry.incomplete_tags();
    assert_eq!(
        problems,
        [format!("app:1: blob {} is missing", blob.digest)]
    );
    let mut wrong = blob.bytes.to_vec();
    wrong[0] ^= 1;
    registry.put_blob("app", &blob.digest, wrong);
    let problems = registry.incomplete_tags();
    assert!(problems[0].contains("has the digest"), "{problems:?}");
    registry.put_blob("app", &blob.digest, blob.bytes.slice(1..));
    let problems = registry.incomplete_tags();
    assert!(
        problems[0].contains("has 1023 bytes, not 1024"),
        "{problems:?}"
    );
    let (lying, claimed) = images::self_containing_index("lie");
    registry.put_manifest_as("lie", &claimed, &lying.manifest);
    registry.tag("lie", "1", &claimed);
    let problems = registry.incomplete_tags();
    assert!(
        problems.iter().any(|p| p.starts_with("lie:1: manifest")),
        "{problems:?}"
    );
    registry.remove_tag("lie", "1");
    registry.remove_tag("app", "1");
    registry.tag("gone", "1", &claimed);
    assert_eq!(
        registry.incomplete_tags(),
        ["gone:1: manifest 1 is missing"]
    );
}
