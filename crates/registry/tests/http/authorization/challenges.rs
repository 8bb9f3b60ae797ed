//! What registries want of who asks, and how often they are asked to find out.

use image_sync_shared::failure::{FailureClass, Side, Step};
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Auth, Fault, Gate, Rule, TokenService};
use tokio::net::TcpListener;

use crate::support::{
    RouterBuilder, assert_all_found, guarded, put_app, put_many, resolve_app, resolve_many, router,
    source, tag,
};

#[tokio::test]
async fn an_open_registry_is_asked_once_per_image_and_never_pinged() {
    let registry = FakeRegistry::start().await.unwrap();
    put_many(&registry, 50);
    assert_all_found(&resolve_many(&router(), registry.host(), 50).await);
    assert_eq!(registry.requests().len(), 50);
    assert_eq!(registry.count("*", "/v2/"), 0);
}

#[tokio::test]
async fn fifty_images_at_once_cause_one_401() {
    let tokens = TokenService::new();
    let registry = guarded(Auth::bearer(&tokens)).await;
    put_many(&registry, 50);
    let router = router();
    for _ in 0..2 {
        assert_all_found(&resolve_many(&router, registry.host(), 50).await);
    }
    assert_eq!(
        registry.count_where(|request| request.status == Some(401)),
        1
    );
    let by_scopes = tokens.requests_by_scopes();
    assert_eq!(by_scopes.len(), 50);
    assert!(by_scopes.values().all(|count| *count == 1), "{by_scopes:?}");
    assert_eq!(by_scopes["repository:app7:pull"], 1);
    assert_eq!(
        tokens.requests()[0].service.as_deref(),
        Some("fake-registry")
    );
}

#[tokio::test]
async fn the_challenge_of_the_request_itself_counts() {
    let tokens = TokenService::new();
    let registry = FakeRegistry::builder()
        .auth(Auth::bearer(&tokens))
        .behaviour(|b| b.open_ping = true);
    let registry = registry.start().await.unwrap();
    put_app(&registry);
    assert!(
        resolve_app(&router(), registry.host())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn every_challenge_header_is_read() {
    let tokens = TokenService::new();
    let registry = FakeRegistry::builder()
        .auth(Auth::bearer(&tokens))
        .behaviour(|b| {
            b.extra_challenges = vec!["Negotiate".to_owned(), r#"Basic realm="x""#.to_owned()];
        });
    let registry = registry.start().await.unwrap();
    put_app(&registry);
    assert!(
        resolve_app(&router(), registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(tokens.requests().len(), 1);
}

#[tokio::test]
async fn a_challenge_may_be_written_in_many_ways() {
    for written in [
        "Bearer realm={realm},service={service},scope={scope}",
        "Bearer realm='{realm}',service='{service}',scope='{scope}'",
        "Bearer\trealm=\"{realm}\"\t,\tservice=\"{service}\"",
        "bearer  realm=\"{realm}\"  service=\"{service}\"  scope=\"{scope}\"",
        "Basic realm=\"Regístry\", Bearer realm=\"{realm}\",service=\"{service}\"",
        "Negotiate, Basic realm=the registry, Bearer realm={realm}, service={service}",
    ] {
        let tokens = TokenService::new();
        let registry = FakeRegistry::builder()
            .auth(Auth::bearer(&tokens))
            .behaviour(|b| b.bearer_challenge = Some(written.to_owned()));
        let registry = registry.start().await.unwrap();
        put_app(&registry);
        let found = resolve_app(&router(), registry.host()).await;
        assert!(found.unwrap().is_some(), "{written}");
        let service = tokens.requests()[0].service.clone();
        assert_eq!(service.as_deref(), Some("fake-registry"), "{written}");
    }
}

#[tokio::test]
async fn the_scope_of_the_challenge_is_used_where_it_names_another_repository() {
    let tokens = TokenService::new();
    let registry = FakeRegistry::builder()
        .auth(Auth::bearer(&tokens))
        .behaviour(|b| b.scope_prefix = "team/".to_owned());
    let registry = registry.start().await.unwrap();
    put_many(&registry, 2);
    let router = router();
    for _ in 0..2 {
        for name in ["app0", "app1"] {
            let at = source(registry.host(), name);
            let found = router.resolve(&at, &tag("v1")).await;
            assert!(found.unwrap().is_some(), "{name}");
        }
    }
    // Of the first image the challenge came first, of the second one with its own scope refused.
    let asked: Vec<_> = tokens
        .requests()
        .into_iter()
        .map(|request| request.scopes.join(" "))
        .collect();
    let expected = [
        "repository:team/app0:pull",
        "repository:app1:pull",
        "repository:team/app1:pull",
    ];
    assert_eq!(asked, expected);
    let refused = registry.count_where(|request| request.status == Some(401));
    assert_eq!(refused, 2);
}

#[tokio::test]
async fn a_registry_that_closes_later_is_found_out() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    registry.set_auth(Auth::basic("u", "p"));
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    let authorized = registry
        .requests()
        .iter()
        .map(image_sync_testkit::fake_registry::Request::has_credentials)
        .collect::<Vec<_>>();
    assert_eq!(authorized, [false, false, true, true]);
}

#[tokio::test]
async fn a_password_is_sent_to_who_wants_one() {
    let registry = guarded(Auth::basic("u", "p")).await;
    put_many(&registry, 50);
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .router();
    assert_all_found(&resolve_many(&router, registry.host(), 50).await);
    assert_eq!(registry.requests().len(), 51);
}

#[tokio::test]
async fn a_wrong_password_is_tried_by_head_and_by_get_and_told_with_its_place() {
    let registry = guarded(Auth::basic("u", "p")).await;
    put_app(&registry);
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "wrong")
        .router();
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.side, failure.step),
        (FailureClass::Unauthorized, Side::Source, Step::Check)
    );
    let place = format!("credentials from registries.{}", registry.host());
    assert!(failure.answer.contains(&place), "{failure}");
    let shown = |method| {
        registry.count_where(|request| request.has_credentials() && request.method == method)
    };
    assert_eq!((shown("HEAD"), shown("GET")), (1, 1));
}

#[tokio::test]
async fn who_has_no_credentials_is_told_so() {
    let registry = guarded(Auth::basic("u", "p")).await;
    let failure = resolve_app(&router(), registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unauthorized);
    let expected = format!("none are configured for {}", registry.host());
    assert!(failure.answer.contains(&expected), "{failure}");
    let asked = (registry.count("HEAD", "*"), registry.count("GET", "*"));
    assert_eq!(asked, (2, 1));
}

#[tokio::test]
async fn a_403_is_told_with_the_credentials_that_it_was_given_for() {
    let registry = guarded(Auth::basic("u", "p")).await;
    let shown = Rule::new("*", "*").when(|request| request.header("authorization").is_some());
    registry.stage(shown, Fault::status(403));
    let host = registry.host();
    let setup = RouterBuilder::new().login(host, "u", "p");
    let failure = resolve_app(&setup.router(), host).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Denied);
    let expected = format!("(with credentials from registries.{host}, which do not allow it)");
    assert!(failure.answer.ends_with(&expected), "{failure}");
}

#[tokio::test]
async fn a_host_that_does_not_answer_costs_a_crowd_one_wait() {
    let registry = FakeRegistry::start().await.unwrap();
    put_many(&registry, 20);
    let gate = Gate::new();
    registry.stage(Rule::new("*", "*"), Fault::hold(&gate));
    let router = RouterBuilder::new().impatient().router();
    let answers = resolve_many(&router, registry.host(), 20).await;
    for (number, answer) in answers.iter().enumerate() {
        let failure = answer.as_ref().unwrap_err();
        assert_eq!(failure.class, FailureClass::Timeout, "{failure}");
        assert!(
            failure.subject.ends_with(&format!("/app{number}:v1")),
            "{failure}"
        );
    }
    assert_eq!(registry.requests().len(), 1);
    gate.release();
    registry.clear_faults();
    assert_all_found(&resolve_many(&router, registry.host(), 20).await);
}

#[tokio::test]
async fn one_image_that_is_answered_503_first_does_not_take_the_others_with_it() {
    let tokens = TokenService::new();
    let registry = guarded(Auth::bearer(&tokens)).await;
    put_many(&registry, 20);
    let staged = registry.stage(Rule::new("HEAD", "*").first(1), Fault::status(503));
    let answers = resolve_many(&router(), registry.host(), 20).await;
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!((failed, staged.hits()), (1, 1));
    assert_eq!(
        registry.count_where(|request| request.status == Some(401)),
        1
    );
}

#[tokio::test]
async fn one_image_that_is_led_astray_first_does_not_take_the_others_with_it() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    for location in ["ftp://elsewhere.example", &nobody] {
        let registry = FakeRegistry::start().await.unwrap();
        put_many(&registry, 20);
        registry.stage(
            Rule::new("HEAD", "*").first(1),
            Fault::redirect(location, ""),
        );
        let answers = resolve_many(&router(), registry.host(), 20).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1);
    }
}

#[tokio::test]
async fn a_refusal_that_does_not_say_what_it_wants_is_told() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .router();
    resolve_app(&router, registry.host()).await.unwrap();
    registry.stage(Rule::new("HEAD", "*"), Fault::status(401));
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unauthorized);
    assert!(
        failure.answer.contains("it was not said how to show them"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_first_request_that_is_given_up_leaves_the_others_their_turn() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let gate = Gate::new();
    registry.stage(Rule::new("*", "*").first(1), Fault::hold(&gate));
    let router = router();
    let (at, v1) = (source(registry.host(), "app"), tag("v1"));
    let mut first = Box::pin(router.resolve(&at, &v1));
    let mut second = Box::pin(router.resolve(&at, &v1));
    tokio::select! {
        biased;
        _ = &mut first => panic!("the first request is held"),
        _ = &mut second => panic!("the second one waits for the first"),
        () = gate.reached() => {}
    }
    drop(first);
    assert!(second.await.unwrap().is_some());
    gate.release();
}
