//! HEAD of a manifest where it is no answer, and what is asked instead.

use image_sync_shared::failure::FailureClass;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Auth, Fault, Rule};

use crate::support::{RouterBuilder, guarded, put_app, resolve_app, router, source, tag, target};

#[tokio::test]
async fn a_refused_head_is_asked_again_by_get_once_per_host() {
    for status in [400, 401, 403, 404, 405, 406, 415, 501] {
        let registry = FakeRegistry::start().await.unwrap();
        let app = put_app(&registry);
        registry.stage(Rule::new("HEAD", "*"), Fault::status(status));
        let router = router();
        for _ in 0..3 {
            let resolved = resolve_app(&router, registry.host()).await.unwrap();
            assert_eq!(resolved.unwrap().digest, *app.digest(), "{status}");
        }
        let missing = router
            .resolve(&source(registry.host(), "app"), &tag("v2"))
            .await;
        assert_eq!(missing, Ok(None), "{status}");
        let asked = (registry.count("HEAD", "*"), registry.count("GET", "*"));
        assert_eq!(asked, (1, 4), "{status}");
    }
}

#[tokio::test]
async fn a_head_that_is_led_to_storage_signed_for_get_is_asked_again_by_get() {
    let registry = FakeRegistry::start().await.unwrap();
    let app = put_app(&registry);
    let storage = registry.second_host().start().await.unwrap();
    storage.stage(Rule::new("HEAD", "*"), Fault::status(403));
    let rule = Rule::new("*", "/v2/app/manifests/*");
    registry.stage(rule, Fault::redirect(storage.url(), "signature=s3cret"));
    let router = router();
    for _ in 0..2 {
        let resolved = resolve_app(&router, registry.host()).await.unwrap();
        assert_eq!(resolved.unwrap().digest, *app.digest());
    }
    assert_eq!(
        (storage.count("HEAD", "*"), storage.count("GET", "*")),
        (1, 2)
    );
}

#[tokio::test]
async fn a_registry_that_answered_head_is_believed_that_a_tag_is_missing() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let router = router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    let at = source(registry.host(), "app");
    assert_eq!(router.resolve(&at, &tag("v2")).await, Ok(None));
    assert_eq!(registry.count("HEAD", "*"), 2);
    assert_eq!(registry.count("GET", "*"), 0);
}

#[tokio::test]
async fn what_get_refuses_too_is_the_failure() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    for (status, class) in [
        (401, FailureClass::Unauthorized),
        (403, FailureClass::Denied),
        (415, FailureClass::Invalid),
        (501, FailureClass::Unavailable),
    ] {
        registry.stage(Rule::new("*", "*"), Fault::status(status));
        let failure = resolve_app(&router(), registry.host()).await.unwrap_err();
        assert_eq!(failure.class, class, "{failure}");
        registry.clear_faults();
    }
}

#[tokio::test]
async fn a_target_that_may_not_be_read_yet_is_not_there() {
    for status in [401, 403] {
        let registry = guarded(Auth::basic("u", "p")).await;
        let login = || {
            RouterBuilder::new()
                .login(registry.host(), "u", "p")
                .router()
        };
        registry.stage(
            Rule::new("*", "/v2/new/*").when(|request| request.method != "POST"),
            Fault::status(status),
        );
        let at = target(registry.host(), "new");
        assert_eq!(login().resolve(&at, &tag("v1")).await, Ok(None));
        let blob = Digest::of(b"blob");
        assert_eq!(login().has_blob(&at, &blob).await, Ok(false));
    }
}

#[tokio::test]
async fn a_blob_whose_head_is_refused_is_to_be_sent() {
    let registry = FakeRegistry::start().await.unwrap();
    let digest = Digest::of(b"blob");
    registry.put_blob("app", &digest, "blob");
    let at = target(registry.host(), "app");
    for status in [400, 403, 405, 415, 501] {
        registry.stage(Rule::new("HEAD", "*"), Fault::status(status));
        assert_eq!(router().has_blob(&at, &digest).await, Ok(false), "{status}");
        registry.clear_faults();
    }
    registry.stage(Rule::new("HEAD", "*"), Fault::status(503));
    let failure = router().has_blob(&at, &digest).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable);
}
