//! Token servers at other places than the registry, and which of them are sent a password.

use image_sync_shared::failure::{FailureClass, Step};
use image_sync_testkit::fake_registry::{Auth, Fault, Rule, TokenService};
use image_sync_testkit::{FakeRegistry, PrivateCa};

use crate::support::{RouterBuilder, guarded, put_app, resolve_app};

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
    let setup = RouterBuilder::new().login(registry.host(), "u", "p");
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
        let router = RouterBuilder::new()
            .login(registry.host(), "u", "p")
            .router();
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
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_redirect_of_a_token_request_is_not_followed() {
    let tokens = TokenService::new()
        .user("u", "p")
        .identity_token("identity");
    let elsewhere = FakeRegistry::builder()
        .tokens(&tokens)
        .start()
        .await
        .unwrap();
    let registry = guarded(Auth::bearer(&tokens)).await;
    put_app(&registry);
    let folder = tempfile::tempdir().unwrap();
    let host = registry.host();
    let identity = format!(r#"{{"auths":{{"{host}":{{"identitytoken":"identity"}}}}}}"#);
    for status in [301, 302, 303, 307, 308] {
        for setup in [
            RouterBuilder::new(),
            RouterBuilder::new().login(host, "u", "p"),
            RouterBuilder::new().docker_config(folder.path(), &identity),
        ] {
            registry.clear_faults();
            let location = format!("{}/token?key=s3cret", elsewhere.url());
            let fault = Fault::status(status).with_header("location", &location);
            registry.stage(Rule::new("*", "/token"), fault);
            let failure = resolve_app(&setup.router(), host).await.unwrap_err();
            assert_eq!(
                (failure.class, failure.step),
                (FailureClass::Invalid, Step::Authenticate)
            );
            let told = format!(
                " to {}: a redirect of a request for a token is not followed",
                elsewhere.host()
            );
            assert!(failure.answer.contains(&told), "{failure}");
            assert!(failure.answer.contains(&status.to_string()), "{failure}");
            assert!(!failure.answer.contains("s3cret"), "{failure}");
        }
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_realm_at_a_metadata_or_multicast_address_is_asked_for_no_token() {
    let tokens = TokenService::new();
    for address in [
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::169.254.169.254]",
        "100.100.100.200",
        "0.0.0.0",
        "224.0.0.1",
    ] {
        let auth = Auth::bearer_at(&tokens, &format!("https://{address}/token"));
        let registry = FakeRegistry::builder().auth(auth).start().await.unwrap();
        put_app(&registry);
        let setup =
            RouterBuilder::new().with(registry.host(), |settings| settings.allow_private = true);
        let failure = resolve_app(&setup.router(), registry.host())
            .await
            .unwrap_err();
        assert_eq!(
            (failure.class, failure.step),
            (FailureClass::Denied, Step::Authenticate)
        );
        let told = "at the link-local, multicast, reserved or metadata address";
        assert!(failure.answer.contains(told), "{failure}");
    }
}

/// A registry on HTTPS whose token server is at another host, and what it takes to trust both.
struct Foreign {
    ca: PrivateCa,
    folder: tempfile::TempDir,
    registry: FakeRegistry,
    realm: FakeRegistry,
    origin: String,
}

impl Foreign {
    async fn new(tokens: &TokenService) -> Self {
        let ca = PrivateCa::new().unwrap();
        let realm = FakeRegistry::builder().tls(&ca).tokens(tokens);
        let realm = realm.start().await.unwrap();
        let port = realm.host().rsplit_once(':').unwrap().1;
        let origin = format!("https://localhost:{port}");
        let auth = Auth::bearer_at(tokens, &format!("{origin}/token"));
        let registry = FakeRegistry::builder().tls(&ca).auth(auth);
        let registry = registry.start().await.unwrap();
        put_app(&registry);
        Self {
            ca,
            folder: tempfile::tempdir().unwrap(),
            registry,
            realm,
            origin,
        }
    }

    fn setup(&self) -> RouterBuilder {
        let host = self.registry.host();
        let setup = RouterBuilder::new().login(host, "u", "p");
        setup.trusting(host, &self.ca, self.folder.path())
    }

    /// Whether anything was sent to the token server that shows who asks.
    fn was_shown_credentials(&self) -> bool {
        let requests = self.realm.requests();
        requests
            .iter()
            .any(|request| request.has_credentials() || request.body_length > 0)
    }
}

#[tokio::test]
async fn a_token_realm_in_another_domain_gets_no_password_and_anonymous_pulls_go_on() {
    let foreign = Foreign::new(&TokenService::new().user("u", "p")).await;
    let host = foreign.registry.host();
    let router = foreign.setup().router();
    assert!(resolve_app(&router, host).await.unwrap().is_some());
    assert_eq!(foreign.realm.count("GET", "/token"), 1);
    assert!(!foreign.was_shown_credentials());
}

#[tokio::test]
async fn a_token_realm_in_another_domain_is_told_with_the_line_that_allows_it() {
    let tokens = || TokenService::new().user("u", "p");
    for tokens in [
        tokens().no_anonymous_pulls(),
        tokens().deny("repository:app"),
    ] {
        let foreign = Foreign::new(&tokens).await;
        let (host, origin) = (foreign.registry.host(), &foreign.origin);
        let failure = resolve_app(&foreign.setup().router(), host)
            .await
            .unwrap_err();
        assert_eq!(failure.class, FailureClass::Unauthorized, "{failure}");
        let told = format!(
            "without the credentials from registries.{host}, as the token server {origin} is in another domain than \
             {host}; if it is the right one, add to the config: registries: {{\"{host}\": {{token_realm: \"{origin}\"}}}}"
        );
        assert!(failure.answer.contains(&told), "{failure}");
        assert!(!foreign.was_shown_credentials());
    }
}

#[tokio::test]
async fn a_token_realm_in_another_domain_that_is_named_gets_the_password() {
    let foreign = Foreign::new(&TokenService::new().user("u", "p").no_anonymous_pulls()).await;
    let host = foreign.registry.host();
    let named = |realm: String| {
        let setup = foreign.setup();
        setup.with(host, |settings| settings.token_realm = Some(realm))
    };
    let other = named("https://localhost:1/token".to_owned()).router();
    assert!(resolve_app(&other, host).await.is_err());
    assert!(!foreign.was_shown_credentials());
    let right = named(format!("{}/token", foreign.origin)).router();
    assert!(resolve_app(&right, host).await.unwrap().is_some());
    assert!(foreign.was_shown_credentials());
}

#[tokio::test]
async fn an_identity_token_goes_to_no_token_realm_in_another_domain() {
    let tokens = TokenService::new().identity_token("identity");
    let foreign = Foreign::new(&tokens).await;
    let host = foreign.registry.host();
    let config = format!(r#"{{"auths":{{"{host}":{{"identitytoken":"identity"}}}}}}"#);
    let setup = RouterBuilder::new().trusting(host, &foreign.ca, foreign.folder.path());
    let router = setup.docker_config(foreign.folder.path(), &config).router();
    assert!(resolve_app(&router, host).await.unwrap().is_some());
    assert!(!foreign.was_shown_credentials());
}
