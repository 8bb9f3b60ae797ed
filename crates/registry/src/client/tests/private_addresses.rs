//! Where a registry leads that is inside of somebody's network.

use super::names::{called, network};
use super::*;

/// A registry on the Internet, another one at an address inside, and a client of the first.
struct Staged {
    registry: FakeRegistry,
    host: String,
    inner: FakeRegistry,
}

impl Staged {
    async fn new() -> Self {
        let registry = FakeRegistry::start().await.unwrap();
        registry.put_image("app", "v1", &image("app"));
        Self {
            host: called("registry.example", &registry),
            inner: registry.second_host().start().await.unwrap(),
            registry,
        }
    }

    async fn test(&self, allow_private: bool) -> TestClient {
        let client = client_on(network(), &self.host, |settings| {
            settings.plain_http = true;
            settings.allow_private = allow_private;
        });
        TestClient::new(client, &self.host).await
    }

    /// The URLs of the second one that are inside, by address and by name.
    fn inside(&self) -> [String; 2] {
        [
            self.inner.url().to_owned(),
            format!("http://{}", called("inner.example", &self.inner)),
        ]
    }
}

async fn get_app(test: &TestClient) -> Result<Response, Failure> {
    let target = Target::Path("manifests/v1".to_owned());
    test.send(Method::GET, target).await
}

fn assert_refused(failure: &Failure, host: &str, has_remedy: bool) {
    assert_eq!(failure.class, FailureClass::Denied, "{failure}");
    let told = format!("{host} leads inside: ");
    assert!(failure.answer.contains(&told), "{failure}");
    let remedy = format!("registries: {{\"{host}\": {{allow_private: true}}}}");
    assert_eq!(failure.answer.contains(&remedy), has_remedy, "{failure}");
}

#[tokio::test]
async fn a_redirect_from_the_internet_to_a_private_or_loopback_address_is_not_followed() {
    let staged = Staged::new().await;
    let test = staged.test(false).await;
    for (location, has_remedy) in staged
        .inside()
        .map(|inside| (inside, true))
        .into_iter()
        .chain([
            ("http://10.0.0.1".to_owned(), true),
            ("http://[::ffff:10.0.0.1]".to_owned(), true),
            ("http://169.254.169.254".to_owned(), false),
            ("http://metadata.example".to_owned(), false),
        ])
    {
        let fault = Fault::redirect(&location, "");
        staged.registry.stage(Rule::new("*", "*"), fault);
        let failure = get_app(&test).await.unwrap_err();
        assert_refused(&failure, &staged.host, has_remedy);
        staged.registry.clear_faults();
    }
    assert!(staged.inner.requests().is_empty());
    // That was about those redirects alone.
    get_app(&test).await.unwrap();
}

#[tokio::test]
async fn an_upload_location_at_a_private_or_loopback_address_is_sent_nothing() {
    let staged = Staged::new().await;
    let test = staged.test(false).await;
    get_app(&test).await.unwrap();
    for location in staged.inside() {
        let failure = test.get(&format!("{location}/upload")).await.unwrap_err();
        assert_refused(&failure, &staged.host, true);
    }
    assert!(staged.inner.requests().is_empty());
}

#[tokio::test]
async fn a_registry_that_may_lead_to_private_addresses_does() {
    let staged = Staged::new().await;
    let test = staged.test(true).await;
    for location in staged.inside() {
        let fault = Fault::redirect(&location, "");
        staged.registry.stage(Rule::new("*", "*"), fault);
        get_app(&test).await.unwrap();
        staged.registry.clear_faults();
    }
    assert_eq!(staged.inner.requests().len(), 2);
    let fault = Fault::redirect("http://169.254.169.254", "");
    staged.registry.stage(Rule::new("*", "*"), fault);
    let failure = get_app(&test).await.unwrap_err();
    assert_refused(&failure, &staged.host, false);
}

#[tokio::test]
async fn a_realm_at_a_private_address_is_asked_for_no_token() {
    let staged = Staged::new().await;
    let (tokens, _) = bearer();
    for (realm, has_remedy) in [
        ("https://10.0.0.1/token", true),
        ("https://inner.example/token", true),
        ("https://[fd00:ec2::254]/token", false),
        ("https://metadata.example/token", false),
    ] {
        staged.registry.set_auth(Auth::bearer_at(&tokens, realm));
        let failure = get_app(&staged.test(false).await).await.unwrap_err();
        assert_eq!(failure.step, Step::Authenticate);
        assert_refused(&failure, &staged.host, has_remedy);
    }
}

#[tokio::test]
async fn a_token_realm_that_is_named_may_be_anywhere() {
    let staged = Staged::new().await;
    let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, ca.ca_pem()).unwrap();
    let (tokens, _) = bearer();
    let server = FakeRegistry::builder().tls(&ca).tokens(&tokens);
    let server = server.start().await.unwrap();
    let realm = format!("{}/token", server.url());
    staged.registry.set_auth(Auth::bearer_at(&tokens, &realm));
    let client = client_on(network(), &staged.host, |settings| {
        settings.plain_http = true;
        settings.ca_file = Some(path);
        settings.token_realm = Some(realm);
    });
    get_app(&TestClient::new(client, &staged.host).await)
        .await
        .unwrap();
    assert_eq!(tokens.requests()[0].user.as_deref(), Some("u"));
}
