//! Tokens: how many are asked for, with what, and what happens when they end.

use futures_util::future::{join, join_all};
use image_sync_shared::failure::{FailureClass, Side, Step};
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{At, Auth, Fault, Gate, Rule, TokenService};
use image_sync_testkit::images::image;

use crate::support::{
    RouterBuilder, assert_all_found, guarded, put_app, put_many, resolve_app, resolve_many, router,
    source, tag, target,
};

async fn registry_with(tokens: &TokenService) -> FakeRegistry {
    let registry = guarded(Auth::bearer(tokens)).await;
    put_app(&registry);
    registry
}

#[tokio::test]
async fn one_token_serves_all_tags_of_a_repository() {
    let tokens = TokenService::new();
    let registry = registry_with(&tokens).await;
    for number in 0..50 {
        registry.put_image("app", &format!("t{number}"), &image("app"));
    }
    let (router, at) = (router(), source(registry.host(), "app"));
    let tags: Vec<_> = (0..50).map(|number| tag(&format!("t{number}"))).collect();
    let answers = join_all(tags.iter().map(|tag| router.resolve(&at, tag))).await;
    assert_all_found(&answers);
    assert_eq!(tokens.requests().len(), 1);
    assert_eq!(tokens.requests()[0].user, None);
    assert_eq!(registry.count("HEAD", "*"), 51);
}

#[tokio::test]
async fn one_token_serves_reading_and_writing_at_a_target() {
    let tokens = TokenService::new().user("u", "p");
    let registry = registry_with(&tokens).await;
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .router();
    let at = target(registry.host(), "app");
    let manifest = router.pull_manifest(&at, &tag("v1")).await.unwrap();
    router
        .push_manifest(&at, &tag("v2"), &manifest)
        .await
        .unwrap();
    let requests = tokens.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].scopes, ["repository:app:pull,push"]);
    assert_eq!(requests[0].user.as_deref(), Some("u"));
}

#[tokio::test]
async fn a_token_that_ended_early_is_fetched_anew_once() {
    let tokens = TokenService::new();
    let registry = registry_with(&tokens).await;
    let router = router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    tokens.expire_all();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(tokens.requests().len(), 2);
    let statuses: Vec<_> = registry
        .requests()
        .iter()
        .filter(|r| r.method == "HEAD")
        .map(|r| r.status)
        .collect();
    assert_eq!(statuses, [Some(401), Some(200), Some(401), Some(200)]);
}

#[tokio::test]
async fn a_pushed_manifest_is_sent_again_with_the_new_token() {
    let tokens = TokenService::new().user("u", "p");
    let registry = registry_with(&tokens).await;
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .router();
    let at = target(registry.host(), "app");
    let manifest = router.pull_manifest(&at, &tag("v1")).await.unwrap();
    tokens.expire_all();
    router
        .push_manifest(&at, &tag("v2"), &manifest)
        .await
        .unwrap();
    assert_eq!(registry.digest("app", "v2"), Some(manifest.digest));
}

#[tokio::test]
async fn a_crowd_whose_token_ended_fetches_one_new_one() {
    let tokens = TokenService::new();
    let registry = registry_with(&tokens).await;
    let (router, at, v1) = (router(), source(registry.host(), "app"), tag("v1"));
    router.resolve(&at, &v1).await.unwrap();
    tokens.expire_all();
    tokens.reset();
    let answers = join_all((0..30).map(|_| router.resolve(&at, &v1))).await;
    assert_all_found(&answers);
    assert_eq!(tokens.requests().len(), 1);
}

#[tokio::test]
async fn who_comes_late_with_the_old_token_does_not_take_the_new_one_away() {
    let tokens = TokenService::new();
    let registry = registry_with(&tokens).await;
    let (router, at, v1) = (router(), source(registry.host(), "app"), tag("v1"));
    router.resolve(&at, &v1).await.unwrap();
    tokens.expire_all();
    tokens.reset();
    let gate = Gate::new();
    registry.stage(Rule::new("HEAD", "*").first(1), Fault::hold(&gate));
    let quick = async {
        gate.reached().await;
        router.resolve(&at, &v1).await.unwrap();
        gate.release();
    };
    let (late, ()) = join(router.resolve(&at, &v1), quick).await;
    assert!(late.unwrap().is_some());
    assert_eq!(tokens.requests().len(), 1);
}

#[tokio::test]
async fn a_token_that_says_it_has_ended_is_not_used() {
    let tokens = TokenService::new().expires_in(0);
    let registry = registry_with(&tokens).await;
    let router = router();
    for _ in 0..3 {
        assert!(
            resolve_app(&router, registry.host())
                .await
                .unwrap()
                .is_some()
        );
    }
    assert_eq!(tokens.requests().len(), 3);
    assert_eq!(
        registry.count_where(|request| request.status == Some(401)),
        1
    );
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_is_asked_for_once_for_each_method() {
    let tokens = TokenService::new().deny("repository:app");
    let registry = registry_with(&tokens).await;
    let failure = resolve_app(&router(), registry.host()).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.side, failure.step),
        (FailureClass::Unauthorized, Side::Source, Step::Check)
    );
    assert_eq!(tokens.requests().len(), 2);
    let asked = (registry.count("HEAD", "*"), registry.count("GET", "/v2/*"));
    assert_eq!(asked, (2, 1));
}

#[tokio::test]
async fn a_403_may_mean_that_the_token_has_ended() {
    let tokens = TokenService::new();
    let registry = registry_with(&tokens).await;
    let router = router();
    resolve_app(&router, registry.host()).await.unwrap();
    let staged = registry.stage(Rule::new("HEAD", "*").first(1), Fault::status(403));
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!((staged.hits(), tokens.requests().len()), (1, 2));
}

#[tokio::test]
async fn a_403_with_a_fresh_token_is_a_denial() {
    let tokens = TokenService::new();
    let registry = registry_with(&tokens).await;
    let denied =
        Rule::new("*", "*").when(image_sync_testkit::fake_registry::Request::has_credentials);
    registry.stage(denied, Fault::status(403));
    let router = router();
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Denied);
    assert_eq!(
        (tokens.requests().len(), registry.count("HEAD", "*")),
        (1, 2)
    );
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Denied);
    assert_eq!(
        (tokens.requests().len(), registry.count("HEAD", "*")),
        (2, 4)
    );
}

#[tokio::test]
async fn a_token_server_that_fails_is_a_failure_and_not_anonymous() {
    let tokens = TokenService::new();
    let registry = registry_with(&tokens).await;
    put_many(&registry, 10);
    for (fault, class) in [
        (Fault::status(503), FailureClass::Unavailable),
        (Fault::status(403), FailureClass::Denied),
        (
            Fault::rate_limited(Some("7")),
            FailureClass::RateLimited {
                retry_after_ms: Some(7000),
            },
        ),
        (Fault::status(200).with_body("{}"), FailureClass::Invalid),
        (
            Fault::status(200).with_body("no JSON"),
            FailureClass::Invalid,
        ),
        (Fault::reset(At::Headers), FailureClass::Connection),
    ] {
        registry.clear_faults();
        registry.stage(Rule::new("*", "/token"), fault);
        registry.reset();
        let router = router();
        let failure = resolve_app(&router, registry.host()).await.unwrap_err();
        assert_eq!(
            (failure.class, failure.step),
            (class, Step::Authenticate),
            "{failure}"
        );
        assert_eq!(failure.subject, registry.host());
        assert!(failure.answer.contains(registry.host()), "{failure}");
        assert_eq!(registry.count("HEAD", "*"), 1, "{failure}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_shown_to_the_token_server_once() {
    let tokens = TokenService::new().user("u", "p");
    let registry = registry_with(&tokens).await;
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "wrong")
        .router();
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.step),
        (FailureClass::Unauthorized, Step::Authenticate)
    );
    let place = format!("credentials from registries.{}", registry.host());
    assert!(failure.answer.contains(&place), "{failure}");
    assert_eq!(tokens.requests().len(), 1);
    let failures = resolve_many(&router, registry.host(), 5).await;
    assert!(failures.iter().all(Result::is_err));
}

#[tokio::test]
async fn an_access_token_is_a_token() {
    let tokens = TokenService::new();
    let registry = registry_with(&tokens).await;
    registry.set_auth(Auth::Open);
    let elsewhere = FakeRegistry::start().await.unwrap();
    let body = r#"{"token":"","access_token":"the-token","expires_in":300}"#;
    elsewhere.stage(
        Rule::new("GET", "/token"),
        Fault::status(200).with_body(body),
    );
    let challenge = format!(r#"Bearer realm="{}/token""#, elsewhere.url());
    let anonymous = Rule::new("HEAD", "*").when(|request| !request.has_credentials());
    registry.stage(
        anonymous,
        Fault::status(401).with_header("www-authenticate", &challenge),
    );
    assert!(
        resolve_app(&router(), registry.host())
            .await
            .unwrap()
            .is_some()
    );
    let last = registry.requests().pop().unwrap();
    assert_eq!(last.header("authorization"), Some("Bearer the-token"));
}

#[tokio::test]
async fn a_lifetime_may_be_a_text_or_no_lifetime_at_all() {
    for (expires_in, fetched) in [
        ("\"0\"", 2),
        ("\"300\"", 1),
        ("null", 1),
        ("\"soon\"", 1),
        ("-1", 1),
    ] {
        let tokens = TokenService::new();
        let registry = registry_with(&tokens).await;
        registry.set_auth(Auth::Open);
        let challenge = format!(r#"Bearer realm="{}/token""#, registry.url());
        let anonymous = Rule::new("HEAD", "*").when(|request| !request.has_credentials());
        registry.stage(
            anonymous,
            Fault::status(401).with_header("www-authenticate", &challenge),
        );
        let body = format!(r#"{{"token":"t","expires_in":{expires_in}}}"#);
        registry.stage(
            Rule::new("GET", "/token"),
            Fault::status(200).with_body(body),
        );
        let router = router();
        for _ in 0..2 {
            assert!(
                resolve_app(&router, registry.host())
                    .await
                    .unwrap()
                    .is_some()
            );
        }
        assert_eq!(registry.count("GET", "/token"), fetched, "{expires_in}");
    }
}

#[tokio::test]
async fn another_repositorys_challenge_may_be_another_one() {
    let (one, two) = (TokenService::new(), TokenService::new());
    let registry = registry_with(&one).await;
    registry.put_image("other", "v1", &image("other"));
    let elsewhere = FakeRegistry::builder().tokens(&two).start().await.unwrap();
    let router = router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    registry.set_auth(Auth::bearer_at(&two, &format!("{}/token", elsewhere.url())));
    let other = source(registry.host(), "other");
    assert!(router.resolve(&other, &tag("v1")).await.unwrap().is_some());
    assert_eq!(two.requests_by_scopes()["repository:other:pull"], 1);
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_post() {
    let tokens = TokenService::new()
        .no_anonymous_pulls()
        .identity_token("identity");
    let registry = registry_with(&tokens).await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        r#"{{"auths":{{"{}":{{"identitytoken":"identity"}}}}}}"#,
        registry.host()
    );
    let router = RouterBuilder::new()
        .docker_config(folder.path(), &config)
        .router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    let requests = tokens.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].user.as_deref(), Some("<identity token>"));
    assert_eq!(requests[0].scopes, ["repository:app:pull"]);
}

#[tokio::test]
async fn a_token_server_without_oauth_gets_the_identity_token_by_get() {
    let tokens = TokenService::new()
        .no_anonymous_pulls()
        .user("<token>", "identity");
    let registry = registry_with(&tokens).await;
    registry.stage(Rule::new("POST", "/token"), Fault::status(404));
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        r#"{{"auths":{{"{}":{{"identitytoken":"identity"}}}}}}"#,
        registry.host()
    );
    let router = RouterBuilder::new()
        .docker_config(folder.path(), &config)
        .router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(registry.count("POST", "/token"), 1);
}
