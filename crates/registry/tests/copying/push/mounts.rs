//! Blobs that the target's registry has in another repository.

use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::ports::transfer::registries::Arrival;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Mounts, Rule};

use crate::support::{
    LARGE, TestRegistries, blob, copied, copy, repository, router, source, target,
};

#[tokio::test]
async fn a_blob_that_the_registry_has_elsewhere_is_mounted_with_one_request() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", 1000);
    registries
        .target
        .put_blob("base", &blob.digest, blob.bytes.clone());
    let base = repository(registries.target.host(), "base");
    let arrival = registries.copy_or_mount(&blob, &base).await;
    assert_eq!(arrival, Ok(Arrival::Mounted));
    registries.assert_copied(&blob).await;
    let requests = registries.target.requests();
    assert_eq!(requests.len(), 1, "{requests:#?}");
    assert_eq!(requests[0].parameter("from").as_deref(), Some("base"));
    assert_eq!(
        registries.source.requests(),
        [],
        "the source has no part in it"
    );
}

#[tokio::test]
async fn an_upload_that_a_mount_begins_is_used() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", LARGE);
    registries.put(&blob);
    let base = repository(registries.target.host(), "base");
    let arrival = registries.copy_or_mount(&blob, &base).await;
    assert_eq!(arrival, Ok(copied(&blob)));
    registries.assert_copied(&blob).await;
    assert_eq!(registries.target_methods(), ["POST", "PUT"]);
    assert!(registries.target.requests()[0].parameter("mount").is_some());
}

#[tokio::test]
async fn asking_for_the_targets_own_repository_finds_what_is_there() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", 1000);
    registries
        .target
        .put_blob("to", &blob.digest, blob.bytes.clone());
    let own = registries.to().repository;
    let arrival = registries.copy_or_mount(&blob, &own).await;
    assert_eq!(arrival, Ok(Arrival::Mounted));
    assert_eq!(registries.target_methods(), ["POST"]);
}

#[tokio::test]
async fn a_registry_that_refuses_to_mount_gets_the_blob() {
    for status in [400, 403, 404, 405] {
        let registries = TestRegistries::start().await;
        let blob = blob("a", 1000);
        registries.put(&blob);
        let mounts = Rule::new("POST", "*").when(|request| request.parameter("mount").is_some());
        registries.target.stage(mounts, Fault::status(status));
        let base = repository(registries.target.host(), "base");
        let arrival = registries.copy_or_mount(&blob, &base).await;
        assert_eq!(arrival, Ok(copied(&blob)));
        registries.assert_copied(&blob).await;
        assert_eq!(registries.target_methods(), ["POST", "POST", "PUT"]);
    }
}

#[tokio::test]
async fn a_mount_that_fails_for_a_while_fails() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", 1000);
    registries.put(&blob);
    registries
        .target
        .stage(Rule::new("POST", "*"), Fault::status(503));
    let base = repository(registries.target.host(), "base");
    let failure = registries.copy_or_mount(&blob, &base).await.unwrap_err();
    assert_eq!(failure.side, Side::Target);
    assert_eq!(failure.class, FailureClass::Unavailable);
    assert_eq!(registries.target_methods(), ["POST"]);
}

#[tokio::test]
async fn after_a_mount_that_went_wrong_the_blob_is_sent() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", 10_000);
    registries.put(&blob);
    let base = repository(registries.target.host(), "base");
    let mounts = Rule::new("POST", "*").when(|request| request.parameter("mount").is_some());
    registries.target.stage(mounts, Fault::status(500));
    for _ in 0..2 {
        let failure = registries.copy_or_mount(&blob, &base).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Unavailable);
        let arrival = registries.copy_or_mount(&blob, &base).await;
        assert_eq!(arrival, Ok(copied(&blob)));
    }
    let methods = ["POST", "POST", "PUT", "POST", "POST", "PUT"];
    assert_eq!(registries.target_methods(), methods);
}

#[tokio::test]
async fn a_repository_of_another_registry_is_not_mounted_from() {
    let registries = TestRegistries::start().await;
    let blob = blob("a", 1000);
    registries.put(&blob);
    let elsewhere = registries.from().repository;
    let arrival = registries.copy_or_mount(&blob, &elsewhere).await;
    assert_eq!(arrival, Ok(copied(&blob)));
    assert_eq!(registries.target.requests()[0].parameter("mount"), None);
}

#[tokio::test]
async fn within_one_registry_the_source_is_mounted_or_else_sent() {
    let registry = FakeRegistry::start().await.unwrap();
    let blob = blob("a", LARGE);
    registry.put_blob("from", &blob.digest, blob.bytes.clone());
    let router = router();
    let from = source(repository(registry.host(), "from"));
    let mounted = target(repository(registry.host(), "mounted"));
    let arrival = copy(&router, &from, &mounted, &blob.descriptor()).await;
    assert_eq!(arrival, Ok(Arrival::Mounted));

    registry.behave(|behaviour| behaviour.mounts = Mounts::Refused);
    let sent = target(repository(registry.host(), "sent"));
    let arrival = copy(&router, &from, &sent, &blob.descriptor()).await;
    assert_eq!(arrival, Ok(copied(&blob)));
    assert_eq!(
        registry.blob("sent", &blob.digest),
        Some(blob.bytes.clone())
    );
}
