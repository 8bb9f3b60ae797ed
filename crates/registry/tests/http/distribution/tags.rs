//! Lists of tags.

use image_sync_shared::failure::{FailureClass, Step};
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Auth, Fault, Rule, TokenService};
use image_sync_testkit::images::image;

use crate::support::{RouterBuilder, router, source};

async fn registry_with(tags: usize, page: usize) -> FakeRegistry {
    let registry = FakeRegistry::builder().behaviour(|b| b.page_size = page);
    let registry = registry.start().await.unwrap();
    let app = image("app");
    for number in 0..tags {
        registry.put_image("app", &format!("v{number:03}"), &app);
    }
    registry
}

#[tokio::test]
async fn all_pages_are_read() {
    let registry = registry_with(25, 10).await;
    let tags = router()
        .tags(&source(registry.host(), "app"))
        .await
        .unwrap();
    assert_eq!(tags, registry.tags("app"));
    let requests = registry.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].query, "n=1000");
    assert_eq!(requests[1].query, "last=v009&n=10");
}

#[tokio::test]
async fn further_pages_need_the_token_too() {
    let registry = registry_with(25, 10).await;
    let tokens = TokenService::new().no_anonymous_pulls().user("u", "p");
    let realm = FakeRegistry::builder()
        .tokens(&tokens)
        .start()
        .await
        .unwrap();
    registry.set_auth(Auth::bearer_at(&tokens, &format!("{}/token", realm.url())));
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .router();
    let tags = router.tags(&source(registry.host(), "app")).await.unwrap();
    assert_eq!(tags.len(), 25);
    assert_eq!(tokens.requests().len(), 1);
}

#[tokio::test]
async fn a_repository_without_tags_has_none() {
    let registry = FakeRegistry::start().await.unwrap();
    let body = r#"{"name":"app","tags":null}"#;
    registry.stage(Rule::new("GET", "*"), Fault::status(200).with_body(body));
    let tags = router()
        .tags(&source(registry.host(), "app"))
        .await
        .unwrap();
    assert!(tags.is_empty());
}

#[tokio::test]
async fn what_is_no_tag_is_left_out_of_a_list() {
    let registry = FakeRegistry::start().await.unwrap();
    let digest = format!("sha256:{}", "a".repeat(64));
    let long = "x".repeat(129);
    let body = format!(r#"{{"tags":["1.0","a/b","",".x","a\\u001bb","{digest}","{long}","v2"]}}"#);
    registry.stage(Rule::new("GET", "*"), Fault::status(200).with_body(&body));
    let tags = router().tags(&source(registry.host(), "app")).await;
    assert_eq!(tags.unwrap(), ["1.0", "v2"]);
}

#[tokio::test]
async fn a_list_of_more_tags_than_can_be_held_is_refused() {
    let registry = FakeRegistry::start().await.unwrap();
    let tags: Vec<String> = (0..=1_000_000)
        .map(|number| format!("\"{number}\""))
        .collect();
    let body = format!(r#"{{"tags":[{}]}}"#, tags.join(","));
    registry.stage(Rule::new("GET", "*"), Fault::status(200).with_body(&body));
    let failure = router()
        .tags(&source(registry.host(), "app"))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.class, failure.step),
        (FailureClass::Invalid, Step::ListTags)
    );
    assert!(
        failure.answer.contains("more than 1,000,000 tags"),
        "{failure}"
    );
}

async fn failing(fault: Fault) -> String {
    let registry = registry_with(1, 10).await;
    registry.stage(Rule::new("GET", "/v2/app/tags/list"), fault);
    let failure = router()
        .tags(&source(registry.host(), "app"))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.class, failure.step),
        (FailureClass::Invalid, Step::ListTags)
    );
    assert_eq!(failure.subject, format!("{}/app", registry.host()));
    failure.answer
}

#[tokio::test]
async fn pages_that_lead_in_a_circle_are_left() {
    let link = r#"</v2/app/tags/list?n=1000&last=a>; rel="next""#;
    let answer = failing(Fault::SetHeader("link".to_owned(), link.to_owned())).await;
    assert!(answer.contains("without end"), "{answer}");
}

#[tokio::test]
async fn a_next_page_on_another_host_is_not_asked_for() {
    let elsewhere = FakeRegistry::start().await.unwrap();
    let port = elsewhere.host().rsplit_once(':').unwrap().1;
    let link = format!(r#"<http://localhost:{port}/v2/app/tags/list?last=a>; rel="next""#);
    let answer = failing(Fault::SetHeader("link".to_owned(), link)).await;
    assert!(answer.contains("another host, localhost"), "{answer}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn what_is_no_list_is_told() {
    let answer = failing(Fault::status(200).with_body("<xml>")).await;
    assert!(answer.contains("not the JSON expected"), "{answer}");
    let answer = failing(Fault::status(200).with_body("<html>")).await;
    assert!(
        answer.contains("an HTML page came in place of a list"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_unknown_repository_is_not_found() {
    let registry = registry_with(1, 10).await;
    let failure = router()
        .tags(&source(registry.host(), "nope"))
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::NotFound);
    assert!(failure.answer.contains("NAME_UNKNOWN"), "{failure}");
}
