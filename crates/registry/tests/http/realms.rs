//! Token servers at other places than the registry, and which of them are sent a password.

use image_sync_shared::failure::{FailureClass, Step};
use image_sync_testkit::fake_registry::{Auth, Fault, Rule, TokenService};
use image_sync_testkit::{FakeRegistry, PrivateCa};

use crate::support::{Setup, put_app, resolve_app};

#[tokio::test]
async fn a_password_goes_to_a_token_server_on_https_elsewhere() {
    let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
    let tokens = TokenService::new().no_anonymous_pulls().user("u", "p");
    let realm = FakeRegistry::builder()
        .tls(&ca)
        .tokens(&tokens)
        .start()
        .await
        .unwrap();
    let auth = Auth::bearer_at(&tokens, &format!("{}/token", realm.url()));
    let registry = FakeRegistry::builder()
        .tls(&ca)
        .auth(auth)
        .start()
        .await
        .unwrap();
    put_app(&registry);
    let setup = Setup::new().login(registry.host(), "u", "p");
    let router = setup.trusting(registry.host(), &ca, folder.path()).router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(realm.count("GET", "/token"), 1);
}

#[tokio::test]
async fn no_password_goes_to_a_token_server_on_plain_http_elsewhere() {
    for realm in [
        "http://auth.example/token?key=s3cret",
        "http://192.0.2.1:5001/token",
    ] {
        let tokens = TokenService::new().user("u", "p");
        let auth = Auth::bearer_at(&tokens, realm);
        let registry = FakeRegistry::builder().auth(auth).start().await.unwrap();
        put_app(&registry);
        let router = Setup::new().login(registry.host(), "u", "p").router();
        let failure = resolve_app(&router, registry.host()).await.unwrap_err();
        assert_eq!(
            (failure.class, failure.step),
            (FailureClass::Denied, Step::Authenticate)
        );
        let host = realm.split('/').nth(2).unwrap();
        assert!(
            failure.answer.contains(&format!("plain HTTP at {host}")),
            "{failure}"
        );
        assert!(!failure.answer.contains("s3cret"), "{failure}");
    }
}

#[tokio::test]
async fn a_token_server_on_plain_http_is_allowed_between_loopback_hosts() {
    let tokens = TokenService::new().no_anonymous_pulls().user("u", "p");
    let realm = FakeRegistry::builder()
        .tokens(&tokens)
        .start()
        .await
        .unwrap();
    let auth = Auth::bearer_at(&tokens, &format!("{}/token", realm.url()));
    let registry = FakeRegistry::builder().auth(auth).start().await.unwrap();
    put_app(&registry);
    let router = Setup::new().login(registry.host(), "u", "p").router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_token_server_that_redirects_elsewhere_does_not_take_the_password_along() {
    let tokens = TokenService::new().user("u", "p");
    let elsewhere = FakeRegistry::builder()
        .tokens(&tokens)
        .start()
        .await
        .unwrap();
    let registry = FakeRegistry::builder()
        .auth(Auth::bearer(&tokens))
        .start()
        .await
        .unwrap();
    put_app(&registry);
    let location = format!("{}/token?scope=repository:app:pull", elsewhere.url());
    let fault = Fault::status(307).with_header("location", &location);
    registry.stage(Rule::new("GET", "/token"), fault);
    let router = Setup::new().login(registry.host(), "u", "p").router();
    resolve_app(&router, registry.host()).await.unwrap();
    assert!(
        registry
            .requests()
            .iter()
            .any(|r| r.is("GET", "/token") && r.has_credentials())
    );
    let followed = elsewhere.requests();
    assert_eq!(followed.len(), 1);
    assert!(!followed[0].has_credentials());
}
