//! Credentials for a registry of which the config says nothing about TLS, and which cannot be verified.

use image_sync_testkit::fake_registry::Builder;

use super::names::{called, network};
use super::*;

/// What is sent with credentials.
fn shown(registry: &FakeRegistry) -> usize {
    let requests = registry.requests();
    requests.iter().filter(|r| r.has_credentials()).count()
}

async fn registry(builder: Builder) -> FakeRegistry {
    let registry = builder.start().await.unwrap();
    registry.put_image("app", "v1", &image("app"));
    registry
}

async fn get_app(client: Client, host: &str, trust: Trust) -> Result<Response, Failure> {
    let remote = Remote {
        trust,
        access: Access::Pull,
        ..target(host)
    };
    let permits = client.permit(&remote).await;
    let path = Target::Path("manifests/v1".to_owned());
    let operation = Operation::new(&remote, &permits, Step::PushManifest, "it");
    client.send(operation.request(Method::GET, path)).await
}

fn builders(ca: &PrivateCa) -> [(Builder, &'static str); 2] {
    [
        (FakeRegistry::builder(), "speaks plain HTTP"),
        (
            FakeRegistry::builder().tls(ca),
            "has a certificate that is not trusted",
        ),
    ]
}

#[tokio::test]
async fn a_password_is_not_sent_over_unverified_tls_or_plain_http_by_default() {
    let ca = PrivateCa::new().unwrap();
    for (builder, why) in builders(&ca) {
        let registry = registry(builder.auth(Auth::basic("u", "p"))).await;
        let host = called("registry.example", &registry);
        let client = client_on(network(), &host, |_| ());
        let failure = get_app(client, &host, Trust::InsecureByDefault)
            .await
            .unwrap_err();
        assert_eq!(
            (failure.class, failure.step),
            (FailureClass::Unauthorized, Step::Authenticate)
        );
        assert_eq!(
            failure.answer,
            format!(
                "not asked without the credentials from registries.{host}, as {host} {why}; to send them all the same, \
                 add to the config: registries: {{\"{host}\": {{insecure: true}}}} (or settings: {{cache_insecure: true}})"
            )
        );
        assert_eq!((shown(&registry), registry.requests().len()), (0, 1));
    }
}

#[tokio::test]
async fn a_password_is_sent_over_unverified_tls_or_plain_http_where_that_is_written() {
    let ca = PrivateCa::new().unwrap();
    for (builder, _) in builders(&ca) {
        let registry = registry(builder.auth(Auth::basic("u", "p"))).await;
        let host = called("registry.example", &registry);
        for (trust, insecure) in [
            (Trust::Insecure, false),
            (Trust::InsecureByDefault, true),
            (Trust::Verified, true),
        ] {
            registry.reset();
            let client = client_on(network(), &host, |settings| settings.insecure = insecure);
            get_app(client, &host, trust).await.unwrap();
            assert_eq!(shown(&registry), 1);
        }
    }
}

#[tokio::test]
async fn a_password_is_sent_to_loopback_by_default() {
    let ca = PrivateCa::new().unwrap();
    for (builder, _) in builders(&ca) {
        let registry = registry(builder.auth(Auth::basic("u", "p"))).await;
        for host in [
            registry.host().to_owned(),
            called("inner.example", &registry),
        ] {
            registry.reset();
            let client = client_on(network(), &host, |_| ());
            get_app(client, &host, Trust::InsecureByDefault)
                .await
                .unwrap();
            assert_eq!(shown(&registry), 1);
        }
    }
}

#[tokio::test]
async fn a_password_is_sent_over_verified_tls_by_default() {
    let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, ca.ca_pem()).unwrap();
    let builder = FakeRegistry::builder().tls(&ca).auth(Auth::basic("u", "p"));
    let registry = registry(builder).await;
    let host = called("localhost", &registry);
    let client = client_on(network(), &host, |settings| settings.ca_file = Some(path));
    get_app(client, &host, Trust::InsecureByDefault)
        .await
        .unwrap();
    assert_eq!(shown(&registry), 1);
}

#[tokio::test]
async fn an_anonymous_token_is_tried_where_credentials_are_withheld() {
    let ca = PrivateCa::new().unwrap();
    for (builder, why) in builders(&ca) {
        for public in [true, false] {
            let tokens = TokenService::new().user("u", "p");
            let tokens = if public {
                tokens
            } else {
                tokens.no_anonymous_pulls()
            };
            let registry = registry(builder.clone().tokens(&tokens)).await;
            let host = called("registry.example", &registry);
            let scheme = registry.url().split(':').next().unwrap();
            let realm = format!("{scheme}://{host}/token");
            registry.set_auth(Auth::bearer_at(&tokens, &realm));
            let client = client_on(network(), &host, |_| ());
            let answer = get_app(client, &host, Trust::InsecureByDefault).await;
            match answer {
                Ok(_) => assert!(public),
                Err(failure) => {
                    assert!(!public, "{failure}");
                    assert_eq!(failure.class, FailureClass::Unauthorized);
                    let told =
                        format!("without the credentials from registries.{host}, as {host} {why}");
                    assert!(failure.answer.contains(&told), "{failure}");
                }
            }
            let asked = tokens.requests();
            assert!(!asked.is_empty());
            assert!(asked.iter().all(|request| request.user.is_none()));
        }
    }
}
