//! Registries that hide what is private instead of asking who is there.

use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Auth, Fault, Request, Rule, TokenService};
use image_sync_testkit::images::image;

use crate::support::{RouterBuilder, guarded, put_app, resolve_app, source, tag, target, write};

/// Hides all repositories from anonymous clients.
fn hide(registry: &FakeRegistry, status: u16) {
    let is_anonymous = |request: &Request| !request.has_credentials();
    registry.stage(
        Rule::new("*", "/v2/app/*").when(is_anonymous),
        Fault::status(status),
    );
}

#[tokio::test]
async fn credentials_are_sent_where_an_anonymous_client_is_told_that_nothing_is_there() {
    for status in [403, 404] {
        let tokens = TokenService::new().user("u", "p").no_anonymous_pulls();
        for auth in [Auth::basic("u", "p"), Auth::bearer(&tokens)] {
            let registry = FakeRegistry::builder()
                .auth(auth)
                .tokens(&tokens)
                .start()
                .await
                .unwrap();
            let app = put_app(&registry);
            hide(&registry, status);
            let router = RouterBuilder::new()
                .login(registry.host(), "u", "p")
                .router();
            for _ in 0..3 {
                let resolved = resolve_app(&router, registry.host()).await.unwrap();
                assert_eq!(resolved.unwrap().digest, *app.digest());
            }
            assert_eq!(registry.count("GET", "/v2/"), 1, "asked once per host");
            assert_eq!(registry.count("HEAD", "/v2/app/*"), 4);
        }
    }
}

#[tokio::test]
async fn who_has_no_credentials_does_not_ask_for_the_challenge() {
    let registry = guarded(Auth::basic("u", "p")).await;
    put_app(&registry);
    hide(&registry, 404);
    let router = RouterBuilder::new()
        .login("other.example", "u", "p")
        .router();
    assert_eq!(resolve_app(&router, registry.host()).await, Ok(None));
    assert_eq!(registry.count("GET", "/v2/"), 0);
}

#[tokio::test]
async fn an_open_registry_is_asked_for_its_challenge_once() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .router();
    let at = source(registry.host(), "app");
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    for missing in ["v2", "v3"] {
        assert_eq!(router.resolve(&at, &tag(missing)).await, Ok(None));
    }
    assert_eq!(registry.count("GET", "/v2/"), 1);
    assert_eq!(registry.requests().len(), 4);
}

#[tokio::test]
async fn a_challenge_that_could_not_be_asked_for_is_asked_for_again() {
    let faults = [
        Fault::status(503),
        Fault::status(429),
        Fault::status(307).with_header("location", "ftp://elsewhere.example/"),
    ];
    for fault in faults {
        let registry = guarded(Auth::basic("u", "p")).await;
        let app = put_app(&registry);
        hide(&registry, 404);
        registry.stage(Rule::new("GET", "/v2/").first(1), fault);
        let router = RouterBuilder::new()
            .login(registry.host(), "u", "p")
            .router();
        // A target is believed when it says that it has nothing, and is not asked once more by GET.
        let at = target(registry.host(), "app");
        assert_eq!(router.resolve(&at, &tag("v1")).await, Ok(None));
        let resolved = router.resolve(&at, &tag("v1")).await.unwrap();
        assert_eq!(resolved.unwrap().digest, *app.digest());
        assert_eq!(registry.count("GET", "/v2/"), 2);
    }
}

#[tokio::test]
async fn credentials_for_a_path_are_found_where_an_endpoint_keeps_all_under_a_path_of_its_own() {
    let registry = guarded(Auth::basic("u", "p")).await;
    let app = image("app");
    registry.put_image("proxy/team/app", "v1", &app);
    let is_anonymous = |request: &Request| !request.has_credentials();
    registry.stage(
        Rule::new("*", "/v2/proxy/*").when(is_anonymous),
        Fault::status(404),
    );
    let folder = tempfile::tempdir().unwrap();
    // The user `u` with the password `p`.
    let text = r#"{"auths": {"registry.invalid/team": {"auth": "dTpw"}}}"#;
    let path = write(folder.path(), "auth.json", text);
    let endpoint = format!("{}/proxy", registry.url());
    let router = RouterBuilder::new()
        .with("registry.invalid", |settings| {
            settings.endpoint = Some(endpoint);
        })
        .env(|env| env.registry_auth_file = Some(path))
        .router();
    let at = source("registry.invalid", "team/app");
    let resolved = router.resolve(&at, &tag("v1")).await.unwrap();
    assert_eq!(resolved.unwrap().digest, *app.digest());
}
