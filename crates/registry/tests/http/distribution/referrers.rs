//! Lists of referrers.

mod mirrors;
mod oddities;

use image_sync_registry::Router;
use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::fake_registry::{Auth, Fault, Rule, TokenService};
use image_sync_testkit::images::{artifact, image, notation_signature};
use image_sync_testkit::{FakeRegistry, Image};
use serde_json::json;

use crate::support::{RouterBuilder, guarded, router, source, target};

const SBOM: &str = "application/spdx+json";
const PATH: &str = "/v2/app/referrers/*";

/// A registry with the API, where so many artifacts refer to `app`.
async fn registry_with(artifacts: u16) -> (FakeRegistry, Image) {
    let registry = FakeRegistry::builder().behaviour(|b| b.referrers = true);
    let registry = registry.start().await.unwrap();
    let app = image("app");
    registry.put_image("app", "v1", &app);
    for number in 0..artifacts {
        let artifact = artifact(SBOM, &number.to_be_bytes(), Some(&app));
        registry.put_untagged("app", &artifact);
    }
    (registry, app)
}

async fn listed(
    router: &Router,
    host: &str,
    of: &Image,
) -> Result<Option<Vec<Descriptor>>, Failure> {
    let at = source(host, "app");
    router.referrers(&at, of.digest(), None).await
}

async fn of_type(router: &Router, host: &str, of: &Image, artifact_type: &str) -> Vec<Descriptor> {
    let at = source(host, "app");
    let found = router
        .referrers(&at, of.digest(), Some(artifact_type))
        .await;
    found.unwrap().unwrap()
}

fn digests(of: &[Descriptor]) -> Vec<&Digest> {
    of.iter().map(|entry| &entry.digest).collect()
}

fn json_answer(body: impl Into<String>) -> Fault {
    Fault::status(200).with_body(body)
}

fn page(text: &str) -> Fault {
    let html = "text/html; charset=utf-8";
    let headers = vec![("content-type".to_owned(), html.to_owned())];
    let (status, body) = (200, text.to_owned());
    Fault::Answer {
        status,
        headers,
        body,
    }
}

#[tokio::test]
async fn all_pages_of_three_hundred_referrers_are_read() {
    let (registry, app) = registry_with(300).await;
    registry.behave(|b| b.page_size = 100);
    let router = router();
    let found = listed(&router, registry.host(), &app)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.len(), 300);
    let expected = artifact(SBOM, &7_u16.to_be_bytes(), Some(&app));
    let one = found
        .iter()
        .find(|entry| entry.digest == *expected.digest())
        .unwrap();
    assert_eq!(one.artifact_type.as_deref(), Some(SBOM));
    assert_eq!(
        (&*one.media_type, one.size),
        (expected.media_type(), expected.bytes().len() as u64)
    );
    let requests = registry.requests();
    assert_eq!(requests.len(), 3, "{requests:#?}");
    assert_eq!(requests[0].query, "");
    let accepted = requests[0].header("accept").unwrap();
    assert_eq!(accepted, "application/vnd.oci.image.index.v1+json");
    let nobody = image("nobody");
    assert_eq!(
        listed(&router, registry.host(), &nobody).await,
        Ok(Some(Vec::new()))
    );
}

#[tokio::test]
async fn further_pages_need_the_token_too() {
    let (registry, app) = registry_with(5).await;
    registry.behave(|b| b.page_size = 2);
    let tokens = TokenService::new().no_anonymous_pulls().user("u", "p");
    let realm = FakeRegistry::builder()
        .tokens(&tokens)
        .start()
        .await
        .unwrap();
    registry.set_auth(Auth::bearer_at(&tokens, &format!("{}/token", realm.url())));
    let login = RouterBuilder::new().login(registry.host(), "u", "p");
    let found = listed(&login.router(), registry.host(), &app).await;
    assert_eq!(found.unwrap().unwrap().len(), 5);
    assert_eq!(tokens.requests().len(), 1);
}

#[tokio::test]
async fn one_type_is_listed_whether_the_registry_filters_or_not() {
    let (registry, app) = registry_with(3).await;
    let signature = notation_signature(&app);
    registry.put_untagged("app", &signature);
    let notation = "application/vnd.cncf.notary.signature";
    for filters in [true, false] {
        registry.behave(|b| b.filters_referrers = filters);
        registry.reset();
        let router = router();
        let found = of_type(&router, registry.host(), &app, notation).await;
        assert_eq!(digests(&found), [signature.digest()]);
        let none = of_type(&router, registry.host(), &app, "a/b").await;
        assert_eq!(none, Vec::new());
        // The filter has worked before, or there is none that may have hidden something.
        let requests = registry.requests();
        assert_eq!(requests.len(), 2, "{requests:#?}");
        assert_eq!(
            requests[0].parameter("artifactType").as_deref(),
            Some(notation)
        );
    }
}

#[tokio::test]
async fn what_may_not_be_read_of_a_target_is_none_and_of_a_source_a_failure() {
    let tokens = TokenService::new().no_anonymous_pulls().user("u", "p");
    let registry = guarded(Auth::bearer(&tokens)).await;
    registry.behave(|b| b.referrers = true);
    let subject = image("app");
    for (status, class) in [
        (401, FailureClass::Unauthorized),
        (403, FailureClass::Denied),
    ] {
        let router = if status == 403 {
            registry.stage(Rule::new("GET", PATH), Fault::status(403));
            RouterBuilder::new()
                .login(registry.host(), "u", "p")
                .router()
        } else {
            router()
        };
        let at = target(registry.host(), "app");
        assert_eq!(
            router.referrers(&at, subject.digest(), None).await,
            Ok(None)
        );
        let failure = listed(&router, registry.host(), &subject)
            .await
            .unwrap_err();
        assert_eq!(
            (failure.class, failure.subject.as_str()),
            (class, subject.digest().as_str())
        );
    }
}

async fn failing(fault: Fault) -> (FailureClass, String) {
    let (registry, app) = registry_with(1).await;
    registry.stage(Rule::new("GET", PATH), fault);
    let failure = listed(&router(), registry.host(), &app).await.unwrap_err();
    assert_eq!(failure.step, Step::ListReferrers);
    (failure.class, failure.answer)
}

#[tokio::test]
async fn a_next_page_on_another_host_is_not_asked_for() {
    let elsewhere = FakeRegistry::start().await.unwrap();
    let port = elsewhere.host().rsplit_once(':').unwrap().1;
    let link = format!(r#"<http://localhost:{port}/v2/app/referrers/x?last=a>; rel="next""#);
    let (class, answer) = failing(Fault::SetHeader("link".to_owned(), link)).await;
    assert_eq!(class, FailureClass::Invalid);
    assert!(answer.contains("another host, localhost"), "{answer}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn pages_that_lead_in_a_circle_are_left() {
    let link = r#"</v2/app/referrers/sha256:x?last=a>; rel="next""#;
    let page = json_answer(r#"{"manifests": []}"#).with_header("link", link);
    let (class, answer) = failing(page).await;
    assert_eq!(class, FailureClass::Invalid);
    assert!(answer.contains("without end"), "{answer}");
}

#[tokio::test]
async fn what_is_no_index_is_told_and_trouble_is_not_taken_for_no_api() {
    let too_many: Vec<_> = (0..=10_000_u32)
        .map(|number| json!({"mediaType": "m", "digest": Digest::of(&number.to_be_bytes()), "size": 1}))
        .collect();
    for (fault, class, expected) in [
        (
            json_answer("<html>"),
            FailureClass::Invalid,
            "not the JSON of an index",
        ),
        (
            json_answer(r#"{"manifests": [{}]}"#),
            FailureClass::Invalid,
            "missing field",
        ),
        (
            json_answer(json!({"manifests": too_many}).to_string()),
            FailureClass::Invalid,
            "more than 10000",
        ),
        (
            json_answer(" ".repeat(9 << 20)),
            FailureClass::Invalid,
            "longer than 8388608 bytes",
        ),
        (Fault::status(500), FailureClass::Unavailable, "500"),
    ] {
        let (found, answer) = failing(fault).await;
        assert_eq!(found, class, "{answer}");
        assert!(answer.contains(expected), "{answer}");
    }
}

#[tokio::test]
async fn more_referrers_than_can_be_held_are_refused_page_by_page() {
    let (registry, app) = registry_with(0).await;
    for (nth, start) in [(1, 0_u32), (2, 6_000)] {
        let entries: Vec<_> = (start..start + 6_000)
            .map(|number| json!({"mediaType": "m", "digest": Digest::of(&number.to_be_bytes()), "size": 1}))
            .collect();
        let link = format!(r#"</v2/app/referrers/{}?last=a>; rel="next""#, app.digest());
        let page = json_answer(json!({"manifests": entries}).to_string());
        registry.stage(
            Rule::new("GET", PATH).nth(nth),
            page.with_header("link", &link),
        );
    }
    let failure = listed(&router(), registry.host(), &app).await.unwrap_err();
    assert!(failure.answer.contains("more than 10000"), "{failure}");
}

#[tokio::test]
async fn a_push_tells_whether_the_registry_lists_what_refers() {
    let (registry, app) = registry_with(0).await;
    let artifact = artifact(SBOM, b"{}", Some(&app));
    for blob in artifact.all_blobs() {
        registry.put_blob("app", &blob.digest, blob.bytes.clone());
    }
    let at = target(registry.host(), "app");
    for has_api in [true, false] {
        registry.behave(|b| b.referrers = has_api);
        let by_digest = Reference::Digest(artifact.digest().clone());
        let pushed = router()
            .push_manifest(&at, &by_digest, &artifact.manifest)
            .await;
        assert_eq!(
            pushed.unwrap().subject.as_ref(),
            Some(app.digest()).filter(|_| has_api)
        );
    }
}
