//! Registries that have the referrers API in another way, or not at all.

use image_sync_shared::image::digest::Digest;
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::image;
use serde_json::json;

use super::{PATH, SBOM, digests, json_answer, listed, of_type, page, registry_with};
use crate::support::{router, source, target};

#[tokio::test]
async fn a_filter_that_finds_nothing_is_not_believed_before_it_has_worked() {
    let (registry, app) = registry_with(0).await;
    let of = |artifact_type: &str, name: &[u8]| json!({"mediaType": app.media_type(), "digest": Digest::of(name), "size": 1, "artifactType": artifact_type});
    // As Harbor lists what has artifact types of its own.
    let all = [
        of("application/vnd.oci.empty.v1+json", b"sbom"),
        of("other/type", b"other"),
    ];
    let filter = Rule::new("GET", PATH).when(|request| !request.query.is_empty());
    let filtered = json_answer(json!({"manifests": []}).to_string());
    registry.stage(
        filter,
        filtered.with_header("oci-filters-applied", "artifactType"),
    );
    let rest = Rule::new("GET", PATH).when(|request| request.query.is_empty());
    registry.stage(rest, json_answer(json!({"manifests": all}).to_string()));
    let found = of_type(&router(), registry.host(), &app, SBOM).await;
    assert_eq!(digests(&found), [&Digest::of(b"sbom")]);
    assert_eq!(found[0].artifact_type, None, "its manifest knows");
    assert_eq!(registry.count("GET", PATH), 2);
}

#[tokio::test]
async fn a_registry_without_the_api_is_asked_once() {
    let staged = [404, 405, 400, 406, 501, 401].map(|status| Fault::Answer {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: r#"{"errors":[{"code":"UNSUPPORTED"}]}"#.to_owned(),
    });
    for fault in staged.into_iter().chain([page("<html>Sign in</html>")]) {
        let (registry, app) = registry_with(1).await;
        let what = format!("{fault:?}");
        registry.stage(Rule::new("GET", PATH), fault);
        let router = router();
        for digest in [app.digest(), image("other").digest()] {
            let found = router
                .referrers(&source(registry.host(), "app"), digest, None)
                .await;
            assert_eq!(found, Ok(None), "{what}");
        }
        assert_eq!(registry.count("*", "*"), 1, "{what}");
        let other = target(registry.host(), "other");
        let found = router.referrers(&other, app.digest(), None).await;
        assert_eq!(found, Ok(None), "{what}");
        assert_eq!(registry.count("*", "*"), 1, "{what}");
    }
}

#[tokio::test]
async fn a_login_page_that_a_redirect_leads_to_is_no_api() {
    let (registry, app) = registry_with(1).await;
    let elsewhere = FakeRegistry::start().await.unwrap();
    elsewhere.stage(Rule::new("*", "*"), page("<!doctype html>"));
    registry.stage(
        Rule::new("GET", PATH),
        Fault::redirect(elsewhere.url(), "continue=x"),
    );
    let router = router();
    for _ in 0..2 {
        assert_eq!(listed(&router, registry.host(), &app).await, Ok(None));
    }
    assert_eq!(
        (registry.count("*", "*"), elsewhere.count("*", "*")),
        (1, 1)
    );
}

#[tokio::test]
async fn referrers_are_read_where_a_redirect_leads() {
    let (registry, app) = registry_with(1).await;
    let (elsewhere, _) = registry_with(2).await;
    for status in [303, 307] {
        let location = format!("{}/v2/app/referrers/{}", elsewhere.url(), app.digest());
        let redirect = Fault::Answer {
            status,
            headers: vec![("location".to_owned(), location)],
            body: String::new(),
        };
        registry.stage(Rule::new("GET", PATH).first(1), redirect);
        let found = listed(&router(), registry.host(), &app).await;
        assert_eq!(found.unwrap().unwrap().len(), 2, "{status}");
    }
}

#[tokio::test]
async fn what_is_not_there_says_nothing_of_the_api() {
    let (registry, app) = registry_with(1).await;
    let router = router();
    let unknown = source(registry.host(), "unknown");
    assert_eq!(
        router.referrers(&unknown, app.digest(), None).await,
        Ok(None)
    );
    for code in ["MANIFEST_UNKNOWN", "DIGEST_INVALID"] {
        let body = json!({"errors": [{"code": code}]}).to_string();
        for status in [404, 400] {
            let refusal = Fault::status(status).with_body(&body);
            registry.stage(Rule::new("GET", PATH).first(1), refusal);
            assert_eq!(listed(&router, registry.host(), &app).await, Ok(None));
        }
    }
    // As Harbor before 2.11 answers for a manifest that it does not have.
    registry.stage(Rule::new("GET", PATH).first(1), json_answer("{}"));
    assert_eq!(listed(&router, registry.host(), &app).await, Ok(None));
    let found = listed(&router, registry.host(), &app).await;
    assert_eq!(found.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn a_registry_that_has_listed_referrers_has_the_api() {
    let (registry, app) = registry_with(1).await;
    let router = router();
    assert!(
        listed(&router, registry.host(), &app)
            .await
            .unwrap()
            .is_some()
    );
    registry.stage(Rule::new("GET", PATH).first(1), Fault::status(404));
    assert_eq!(listed(&router, registry.host(), &app).await, Ok(None));
    assert!(
        listed(&router, registry.host(), &app)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn null_is_no_referrer_and_entries_may_lack_a_type() {
    let (registry, app) = registry_with(0).await;
    registry.stage(
        Rule::new("GET", PATH).first(1),
        json_answer(r#"{"manifests": null}"#),
    );
    let router = router();
    assert_eq!(
        listed(&router, registry.host(), &app).await,
        Ok(Some(Vec::new()))
    );
    let entry = json!({"mediaType": app.media_type(), "digest": Digest::of(b"a"), "size": 1});
    let twice = json!({"manifests": [entry, entry]}).to_string();
    registry.stage(Rule::new("GET", PATH), json_answer(twice));
    let found = listed(&router, registry.host(), &app)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.len(), found[0].artifact_type.clone()), (1, None));
    let typed = of_type(&router, registry.host(), &app, SBOM).await;
    assert_eq!(
        typed.len(),
        1,
        "what is of no known type may be of this one"
    );
}
