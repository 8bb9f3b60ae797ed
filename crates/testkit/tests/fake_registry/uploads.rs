//! Upload sessions.

use image_sync_shared::image::digest::Digest;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Mounts, UploadLocation, Uploads};

use crate::client::{Client, ask};

const UPLOADS: &str = "/v2/app/blobs/uploads/";

/// The Location of a new session.
async fn start(registry: &FakeRegistry) -> String {
    match ask(registry, "POST", UPLOADS, &[], &[]).await {
        Ok(answer) if answer.status == 202 => answer.header("location").to_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn one_put_makes_a_blob() {
    let registry = FakeRegistry::start().await.unwrap();
    let digest = Digest::of(b"hello");
    let location = start(&registry).await;
    assert_eq!(registry.open_uploads().len(), 1);
    let target = format!("{location}?digest={digest}");
    let done = ask(&registry, "PUT", &target, &[], b"hello").await.unwrap();
    assert_eq!(done.status, 201);
    assert_eq!(done.header("location"), format!("/v2/app/blobs/{digest}"));
    assert_eq!(registry.blob("app", &digest).unwrap(), "hello");
    assert!(registry.open_uploads().is_empty());
    assert_eq!(registry.requests()[1].body_length, 5);
}

#[tokio::test]
async fn patches_in_chunks_make_a_blob() {
    let registry = FakeRegistry::start().await.unwrap();
    let digest = Digest::of(b"hello world");
    let location = start(&registry).await;
    let mut client = Client::to(&registry).await.unwrap();
    let head = format!(
        "PATCH {location} HTTP/1.1\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n"
    );
    client.send_raw(head.as_bytes()).await.unwrap();
    assert_eq!(client.answer(true).await.unwrap().status, 100);
    client
        .send_raw(b"5\r\nhello\r\n1;x=y\r\n \r\n0\r\n\r\n")
        .await
        .unwrap();
    let patched = client.answer(false).await.unwrap();
    assert_eq!((patched.status, patched.header("range")), (202, "0-5"));
    let status = client.get(&location).await;
    assert_eq!(status.unwrap().header("range"), "0-5");
    let misplaced = [("content-range", "9-10")];
    let refused = client
        .ask("PATCH", &location, &misplaced, b"xx")
        .await
        .unwrap();
    assert_eq!(refused.status, 416);
    let target = format!("{location}?digest={digest}");
    let done = client.ask("PUT", &target, &[], b"world").await.unwrap();
    assert_eq!(done.status, 201);
    assert_eq!(registry.blob("app", &digest).unwrap(), "hello world");
}

#[tokio::test]
async fn wrong_bytes_make_no_blob() {
    let registry = FakeRegistry::start().await.unwrap();
    let digest = Digest::of(b"hello");
    let target = format!("{}?digest={digest}", start(&registry).await);
    let refused = ask(&registry, "PUT", &target, &[], b"hullo").await.unwrap();
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["errors"][0]["code"], "DIGEST_INVALID");
    assert!(!registry.has_blob("app", &digest));
}

#[tokio::test]
async fn a_cancelled_session_is_gone() {
    let registry = FakeRegistry::start().await.unwrap();
    let location = start(&registry).await;
    let cancelled = ask(&registry, "DELETE", &location, &[], &[]).await.unwrap();
    assert_eq!(cancelled.status, 204);
    assert!(registry.open_uploads().is_empty());
    let put = ask(&registry, "PUT", &format!("{location}?digest=x"), &[], &[])
        .await
        .unwrap();
    assert_eq!(put.json()["errors"][0]["code"], "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn mounts_follow_the_registrys_kind() {
    let registry = FakeRegistry::start().await.unwrap();
    let digest = Digest::of(b"hello");
    registry.put_blob("other", &digest, "hello");
    let with_from = format!("{UPLOADS}?mount={digest}&from=other");
    let without_from = format!("{UPLOADS}?mount={digest}");
    for (mounts, target, status) in [
        (Mounts::Refused, &with_from, 202),
        (Mounts::Allowed, &without_from, 202),
        (Mounts::Allowed, &with_from, 201),
        (Mounts::FromAnywhere, &without_from, 201),
    ] {
        registry.behave(|b| b.mounts = mounts);
        registry.remove_blob("app", &digest);
        let answer = ask(&registry, "POST", target, &[], &[]).await.unwrap();
        assert_eq!(answer.status, status, "{mounts:?} {target}");
        assert_eq!(registry.has_blob("app", &digest), status == 201);
    }
    assert_eq!(registry.open_uploads().len(), 2);
}

#[tokio::test]
async fn kinds_of_uploads_that_a_registry_does_not_take() {
    let registry = FakeRegistry::start().await.unwrap();
    let digest = Digest::of(b"hello");
    registry.behave(|b| b.uploads = Uploads::PutOnly);
    let location = start(&registry).await;
    let patch = ask(&registry, "PATCH", &location, &[], b"hello")
        .await
        .unwrap();
    assert_eq!(patch.status, 405);
    registry.behave(|b| b.uploads = Uploads::PatchOnly);
    let target = format!("{location}?digest={digest}");
    let put = ask(&registry, "PUT", &target, &[], b"hello").await.unwrap();
    assert_eq!(put.status, 400);
    registry.behave(|b| b.uploads = Uploads::FirstPatchIsAll);
    let location = start(&registry).await;
    for _ in 0..2 {
        let patch = ask(&registry, "PATCH", &location, &[], b"hello")
            .await
            .unwrap();
        assert_eq!((patch.status, patch.header("range")), (201, "0-4"));
    }
    registry.behave(|b| b.post_whole_blobs = true);
    let target = format!("{UPLOADS}?digest={digest}");
    let whole = ask(&registry, "POST", &target, &[], b"hello")
        .await
        .unwrap();
    assert_eq!(whole.status, 201);
    assert!(registry.has_blob("app", &digest));
}

#[tokio::test]
async fn locations_take_every_form() {
    let registry = FakeRegistry::start().await.unwrap();
    let second = registry.second_host().start().await.unwrap();
    let digest = Digest::of(b"hello");
    let url = registry.url().to_owned();
    registry.behave(|b| b.upload_location = UploadLocation::Absolute);
    assert!(
        start(&registry)
            .await
            .starts_with(&format!("{url}/v2/app/blobs/uploads/"))
    );
    registry.behave(|b| b.upload_location = UploadLocation::WithQuery);
    assert!(start(&registry).await.contains("?_state="));
    let elsewhere = second.url().to_owned();
    registry.behave(|b| b.upload_location = UploadLocation::At(elsewhere.clone()));
    let location = start(&registry).await;
    let path = location.strip_prefix(&elsewhere).unwrap();
    let target = format!("{path}?digest={digest}");
    let done = ask(&second, "PUT", &target, &[], b"hello").await.unwrap();
    assert_eq!(done.status, 201);
    assert!(
        registry.has_blob("app", &digest),
        "both hosts have the same content"
    );
}

#[tokio::test]
async fn discarded_blobs_are_there_but_take_no_memory() {
    let registry = FakeRegistry::builder().behaviour(|b| b.discards_blobs = true);
    let registry = registry.start().await.unwrap();
    let digest = Digest::of(b"hello");
    let target = format!("{}?digest={digest}", start(&registry).await);
    let done = ask(&registry, "PUT", &target, &[], b"hello").await.unwrap();
    assert_eq!(done.status, 201);
    assert!(registry.has_blob("app", &digest));
    assert_eq!(registry.blob("app", &digest), None);
    let target = format!("/v2/app/blobs/{digest}");
    let head = ask(&registry, "HEAD", &target, &[], &[]).await.unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, "5"));
}
