//! The same against docker-registry, which has its own mind about tokens, passwords and certificates.

use image_sync_registry::Router;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::transfer::registries::{BlobCopy, Pushed, Registries as _};
use image_sync_testkit::fake_registry::{TokenService, TokenSigner};
use image_sync_testkit::images::ImageBuilder;
use image_sync_testkit::servers::DockerRegistry;
use image_sync_testkit::{FakeRegistry, Image, PrivateCa};

use crate::support::{RouterBuilder, put_app, source, tag, target};

/// Copies `app:v1` there.
async fn fill(router: &Router, host: &str) -> Image {
    let fake = FakeRegistry::start().await.unwrap();
    let app = put_app(&fake);
    let (from, to) = (source(fake.host(), "app"), target(host, "app"));
    for blob in app.all_blobs() {
        let copy = BlobCopy {
            source: &from,
            target: &to,
            blob: &blob.descriptor(),
            mount_from: None,
            may_mount: true,
            on_bytes: &|_| {},
        };
        router.copy_blob(copy).await.unwrap();
    }
    let manifest = router.pull_manifest(&from, &tag("v1")).await.unwrap();
    router
        .push_manifest(&to, &tag("v1"), &manifest)
        .await
        .unwrap();
    app
}

/// Reads, writes and lists, with not one request more than needed.
async fn exercise(registry: &DockerRegistry, router: &Router) {
    let app = fill(router, registry.host()).await;
    registry.forget_requests().await.unwrap();
    let (from, to) = (
        source(registry.host(), "app"),
        target(registry.host(), "app"),
    );
    let resolved = router.resolve(&to, &tag("v1")).await.unwrap().unwrap();
    assert_eq!(resolved.digest, *app.digest());
    assert_eq!(router.resolve(&to, &tag("v2")).await, Ok(None));
    let manifest = router.pull_manifest(&from, &tag("v1")).await.unwrap();
    assert_eq!(manifest.bytes, *app.bytes());
    router
        .push_manifest(&to, &tag("v2"), &manifest)
        .await
        .unwrap();
    let mut tags = router.tags(&from).await.unwrap();
    tags.sort();
    assert_eq!(tags, ["v1", "v2"]);
    assert!(
        router
            .has_blob(&to, &app.all_blobs()[0].digest)
            .await
            .unwrap()
    );
    let requests = registry.requests().await.unwrap();
    assert_eq!(requests.len(), 6, "{requests:#?}");
}

#[tokio::test]
async fn without_the_referrers_api_it_is_asked_once_and_processes_no_subject() {
    let registry = DockerRegistry::start().await.unwrap();
    let router = RouterBuilder::new().router();
    let app = fill(&router, registry.host()).await;
    registry.forget_requests().await.unwrap();
    for at in [
        source(registry.host(), "app"),
        target(registry.host(), "other"),
    ] {
        assert_eq!(router.referrers(&at, app.digest(), None).await, Ok(None));
    }
    let requests = registry.requests().await.unwrap();
    assert_eq!(requests.len(), 1, "{requests:#?}");
    // Its blob is the configuration that the image has too.
    let config = app.blobs[0].descriptor();
    let artifact = ImageBuilder::new("artifact")
        .artifact_type("application/spdx+json")
        .subject(&app)
        .described(config, None)
        .build();
    let fake = FakeRegistry::start().await.unwrap();
    fake.put_untagged("app", &artifact);
    let (from, to) = (source(fake.host(), "app"), target(registry.host(), "app"));
    let copy = BlobCopy {
        source: &from,
        target: &to,
        blob: &artifact.blobs[0].descriptor(),
        mount_from: None,
        may_mount: true,
        on_bytes: &|_| {},
    };
    router.copy_blob(copy).await.unwrap();
    let by_digest = Reference::Digest(artifact.digest().clone());
    let pushed = router
        .push_manifest(&to, &by_digest, &artifact.manifest)
        .await;
    assert_eq!(pushed, Ok(Pushed::default()));
}

#[tokio::test]
async fn plain_and_open() {
    let registry = DockerRegistry::start().await.unwrap();
    exercise(&registry, &RouterBuilder::new().router()).await;
}

#[tokio::test]
async fn with_a_password_and_the_certificate_of_a_private_authority() {
    let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
    let builder = DockerRegistry::builder().basic("u", "p").tls(&ca);
    let registry = builder.start().await.unwrap();
    let setup = RouterBuilder::new().login(registry.host(), "u", "p");
    let router = setup.trusting(registry.host(), &ca, folder.path()).router();
    exercise(&registry, &router).await;
}

#[tokio::test]
async fn with_tokens() {
    let signer = TokenSigner::new().unwrap();
    let tokens = TokenService::new()
        .no_anonymous_pulls()
        .user("u", "p")
        .signer(&signer);
    let service = FakeRegistry::builder()
        .tokens(&tokens)
        .start()
        .await
        .unwrap();
    let realm = format!("{}/token", service.url());
    let registry = DockerRegistry::builder()
        .tokens(&signer, &realm)
        .start()
        .await
        .unwrap();
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .router();
    exercise(&registry, &router).await;
    let by_scopes = tokens.requests_by_scopes();
    assert_eq!(by_scopes["repository:app:pull"], 1);
    assert_eq!(by_scopes["repository:app:pull,push"], 1);
    assert_eq!(by_scopes.len(), 2);
}
