//! Catalogs of repositories (distribution's `GET /v2/_catalog`).

use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Auth, Fault, Rule, TokenService};
use image_sync_testkit::images::image;
use image_sync_testkit::servers::DockerRegistry;

use crate::support::{RouterBuilder, router, source};

async fn registry_with(repositories: &[&str], page: usize) -> FakeRegistry {
    let registry = FakeRegistry::builder().behaviour(|b| b.page_size = page);
    let registry = registry.start().await.unwrap();
    for name in repositories {
        registry.put_image(name, "v1", &image("app"));
    }
    registry
}

async fn listed(registry: &FakeRegistry) -> Result<Vec<String>, Failure> {
    router()
        .repositories(&source(registry.host(), "team/any"))
        .await
}

#[tokio::test]
async fn all_pages_of_a_catalog_are_read() {
    let registry = registry_with(&["a", "b/c", "d", "e/f/g", "h"], 2).await;
    assert_eq!(
        listed(&registry).await.unwrap(),
        ["a", "b/c", "d", "e/f/g", "h"]
    );
    let requests = registry.requests();
    assert_eq!(requests.len(), 3, "{requests:#?}");
    assert_eq!(
        (requests[0].path.as_str(), requests[0].query.as_str()),
        ("/v2/_catalog", "n=1000")
    );
}

#[tokio::test]
async fn a_catalog_needs_a_token_for_the_catalog() {
    let registry = registry_with(&["a", "b", "c"], 2).await;
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
    let at = source(registry.host(), "team/any");
    for _ in 0..2 {
        assert_eq!(router.repositories(&at).await.unwrap().len(), 3);
    }
    let requests = tokens.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].scopes, ["registry:catalog:*"]);
    // The challenge, and two pages each time.
    assert_eq!(registry.count("GET", "/v2/_catalog"), 5);
}

#[tokio::test]
async fn a_registry_without_a_catalog_is_told_with_what_to_do_instead() {
    for (status, class) in [
        (404, FailureClass::NotFound),
        (401, FailureClass::Unauthorized),
        (403, FailureClass::Denied),
        (405, FailureClass::Invalid),
    ] {
        let registry = registry_with(&["a"], 10).await;
        registry.stage(Rule::new("GET", "/v2/_catalog"), Fault::status(status));
        let failure = listed(&registry).await.unwrap_err();
        assert_eq!(
            (failure.class, failure.step),
            (class, Step::ListRepositories),
            "{failure}"
        );
        let told = "it shows us no catalog of its repositories, so name them in images: ";
        assert!(failure.answer.starts_with(told), "{failure}");
        assert!(failure.answer.contains(&status.to_string()), "{failure}");
        assert!(failure.subject.starts_with(registry.host()), "{failure}");
    }
}

#[tokio::test]
async fn a_registry_in_trouble_is_not_one_without_a_catalog() {
    let registry = registry_with(&["a"], 10).await;
    registry.stage(Rule::new("GET", "/v2/_catalog"), Fault::status(503));
    let failure = listed(&registry).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable);
    assert!(!failure.answer.contains("no catalog"), "{failure}");
}

#[tokio::test]
async fn what_is_no_repository_is_left_out_of_a_catalog() {
    let registry = FakeRegistry::start().await.unwrap();
    let long = "x".repeat(256);
    let body =
        format!(r#"{{"repositories":["a/b","","A","a:1","../x","a\\u001bb","{long}","c",null]}}"#);
    let good = body.replace(",null", "");
    registry.stage(Rule::new("GET", "*"), Fault::status(200).with_body(&good));
    assert_eq!(listed(&registry).await.unwrap(), ["a/b", "c"]);
    registry.clear_faults();
    registry.stage(Rule::new("GET", "*"), Fault::status(200).with_body(&body));
    let failure = listed(&registry).await.unwrap_err();
    assert!(
        failure.answer.contains("not the JSON expected"),
        "{failure}"
    );
    for none in [r#"{"repositories":null}"#, "{}"] {
        registry.clear_faults();
        registry.stage(Rule::new("GET", "*"), Fault::status(200).with_body(none));
        assert!(listed(&registry).await.unwrap().is_empty(), "{none}");
    }
}

#[tokio::test]
async fn a_registry_that_takes_no_such_number_of_names_is_asked_without_one() {
    let registry = registry_with(&["a", "b", "c"], 2).await;
    let refused = Rule::new("GET", "*").when(|request| request.query == "n=1000");
    registry.stage(refused, Fault::status(400));
    assert_eq!(listed(&registry).await.unwrap(), ["a", "b", "c"]);
    let tags = router().tags(&source(registry.host(), "a")).await.unwrap();
    assert_eq!(tags, ["v1"]);
    assert_eq!(registry.requests().len(), 5);
}

#[tokio::test]
async fn a_catalog_is_the_registrys_own_and_no_mirrors() {
    let (registry, mirror) = (
        registry_with(&["own"], 10).await,
        registry_with(&["other"], 10).await,
    );
    let router = RouterBuilder::new().with(registry.host(), |settings| {
        settings.mirrors = vec![mirror.url().to_owned()];
    });
    let at = source(registry.host(), "any");
    assert_eq!(router.router().repositories(&at).await.unwrap(), ["own"]);
    assert!(mirror.requests().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_keeps_all_under_a_path_has_no_other_repositories() {
    let registry = registry_with(&["proxy/library/a", "proxy/b", "proxy-2/c", "d"], 10).await;
    let router = RouterBuilder::new().with("hub.example", |settings| {
        settings.endpoint = Some(format!("{}/proxy", registry.url()));
    });
    let at = source("hub.example", "any");
    assert_eq!(
        router.router().repositories(&at).await.unwrap(),
        ["b", "library/a"]
    );
}

#[tokio::test]
async fn the_catalog_of_docker_registry_is_read() {
    let registry = DockerRegistry::start().await.unwrap();
    for name in ["team/a", "team/b", "other"] {
        registry.push(name, "v1", &image("app")).await.unwrap();
    }
    let at = source(registry.host(), "team/any");
    assert_eq!(
        router().repositories(&at).await.unwrap(),
        ["other", "team/a", "team/b"]
    );
}
