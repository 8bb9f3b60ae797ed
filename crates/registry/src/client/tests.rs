//! Calls as transfers make them: bodies that cannot be sent again, mounts, and URLs that the registry names.

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use image_sync_shared::config::{PasswordSource, RegistrySettings};
use image_sync_shared::failure::Step;
use image_sync_shared::run::job::{Access, Trust};
use image_sync_shared::secret::Secret;
use image_sync_testkit::fake_registry::{Auth, Fault, Request, Rule, TokenService};
use image_sync_testkit::images::image;
use image_sync_testkit::{FakeRegistry, PrivateCa, TokioClock};
use reqwest::StatusCode;
use reqwest::header::CONTENT_LENGTH;

mod names;
mod private_addresses;
mod unverified;

use super::*;
use crate::credentials::CredentialEnv;
use crate::http::proxy::ProxyEnv;

/// A client that knows the user `u` with the password `p` at `host`.
fn client(host: &str, change: impl FnOnce(&mut RegistrySettings)) -> Client {
    client_on(Network::system(), host, change)
}

/// The same on another network.
fn client_on(network: Network, host: &str, change: impl FnOnce(&mut RegistrySettings)) -> Client {
    let mut settings = RegistrySettings {
        username: Some("u".to_owned()),
        password: Some(PasswordSource::Inline(Secret::new("p"))),
        ..RegistrySettings::default()
    };
    change(&mut settings);
    let registries = BTreeMap::from([(host.to_owned(), settings)]);
    let options = ClientOptions {
        limits: Arc::new(FixedLimits::new(&registries)),
        shares_reads: false,
        registries,
        credentials: CredentialEnv::default(),
        proxies: ProxyEnv::default(),
        certificate_folders: Vec::new(),
        timeouts: Timeouts::default(),
        clock: Arc::new(TokioClock::default()),
        measures: Arc::new(image_sync_shared::ports::telemetry::measures::Unmeasured),
    };
    Client::on(options, network).unwrap()
}

/// The same, where it is known from the start that the host speaks plain HTTP.
fn plain(host: &str) -> Client {
    client(host, |settings| settings.plain_http = true)
}

fn target(host: &str) -> Remote {
    Remote {
        side: Side::Target,
        repository: format!("{host}/app").parse().unwrap(),
        trust: Trust::Verified,
        access: Access::PullPush,
    }
}

fn bearer() -> (TokenService, Auth) {
    let tokens = TokenService::new().user("u", "p");
    let auth = Auth::bearer(&tokens);
    (tokens, auth)
}

struct TestClient {
    client: Client,
    remote: Remote,
    permits: Permits,
}

impl TestClient {
    async fn new(client: Client, host: &str) -> Self {
        let remote = target(host);
        let permits = client.permit(&remote).await;
        Self {
            client,
            remote,
            permits,
        }
    }

    fn operation(&self) -> Operation<'_> {
        Operation::new(&self.remote, &self.permits, Step::PushBlob, "it")
    }

    async fn send(&self, method: Method, target: Target) -> Result<Response, Failure> {
        let operation = self.operation();
        self.client.send(operation.request(method, target)).await
    }

    async fn get(&self, url: &str) -> Result<Response, Failure> {
        let url = Target::Url(url.parse().unwrap());
        self.send(Method::GET, url).await
    }

    /// Puts the manifest of an image as a stream.
    async fn put_streamed(&self, tag: &str, bytes: Bytes) -> Result<Response, Failure> {
        let path = Target::Path(format!("manifests/{tag}"));
        let length = bytes.len().into();
        let body = stream::iter([Ok::<_, Infallible>(bytes)]);
        let operation = self.operation();
        let request = operation
            .request(Method::PUT, path)
            .header(CONTENT_LENGTH, length)
            .payload(Payload::Stream(reqwest::Body::wrap_stream(body)));
        self.client.send(request).await
    }
}

#[tokio::test]
async fn a_streamed_body_whose_token_ended_is_left_to_the_next_attempt() {
    let (tokens, auth) = bearer();
    let registry = FakeRegistry::builder().auth(auth).start().await.unwrap();
    let app = image("app");
    registry.put_image("app", "v1", &app);
    let test = TestClient::new(plain(registry.host()), registry.host()).await;
    test.get(&format!("{}/v2/app/manifests/v1", registry.url()))
        .await
        .unwrap();
    test.put_streamed("v2", app.bytes().clone()).await.unwrap();
    tokens.expire_all();
    let failure = test
        .put_streamed("v3", app.bytes().clone())
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::Connection);
    assert!(
        failure.answer.contains("the next attempt has new ones"),
        "{failure}"
    );
    test.put_streamed("v3", app.bytes().clone()).await.unwrap();
    assert_eq!(registry.tags("app"), ["v1", "v2", "v3"]);
    assert_eq!(tokens.requests().len(), 2);
}

#[tokio::test]
async fn a_mount_has_a_token_for_both_repositories() {
    let (tokens, auth) = bearer();
    let registry = FakeRegistry::builder().auth(auth).start().await.unwrap();
    let app = image("app");
    registry.put_image("other", "v1", &app);
    let blob = app.all_blobs()[0].digest.clone();
    let test = TestClient::new(plain(registry.host()), registry.host()).await;
    let path = format!("blobs/uploads/?mount={blob}&from=other");
    let operation = test.operation();
    let request = operation.request(Method::POST, Target::Path(path));
    let request = request.also_pull(Some("other"));
    let answer = test.client.send(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let scopes = &tokens.requests()[0].scopes;
    assert_eq!(
        *scopes,
        ["repository:app:pull,push", "repository:other:pull"]
    );
}

#[tokio::test]
async fn an_upload_location_on_another_host_gets_no_credentials() {
    for auth in [bearer().1, Auth::basic("u", "p")] {
        let registry = FakeRegistry::builder().auth(auth).start().await.unwrap();
        registry.put_image("app", "v1", &image("app"));
        let elsewhere = registry.second_host().start().await.unwrap();
        let test = TestClient::new(plain(registry.host()), registry.host()).await;
        for server in [&registry, &elsewhere, &registry] {
            test.get(&format!("{}/v2/app/manifests/v1", server.url()))
                .await
                .unwrap();
        }
        assert!(registry.requests().iter().any(Request::has_credentials));
        let shown = elsewhere.requests();
        assert_eq!(shown.len(), 1);
        assert!(!shown[0].has_credentials());
    }
}

#[tokio::test]
async fn a_challenge_from_another_host_is_not_met() {
    let registry = FakeRegistry::builder()
        .auth(Auth::basic("u", "p"))
        .start()
        .await
        .unwrap();
    registry.put_image("app", "v1", &image("app"));
    let elsewhere = registry
        .second_host()
        .auth(Auth::basic("u", "p"))
        .start()
        .await
        .unwrap();
    let test = TestClient::new(plain(registry.host()), registry.host()).await;
    let failure = test
        .get(&format!("{}/v2/app/manifests/v1", elsewhere.url()))
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::Unauthorized);
    assert!(
        elsewhere
            .requests()
            .iter()
            .all(|request| !request.has_credentials())
    );
}

#[tokio::test]
async fn a_user_in_a_location_is_not_obeyed() {
    let registry = FakeRegistry::start().await.unwrap();
    registry.put_image("app", "v1", &image("app"));
    let elsewhere = registry.second_host().start().await.unwrap();
    let test = TestClient::new(plain(registry.host()), registry.host()).await;
    let location = format!("http://x:y@{}", elsewhere.host());
    test.get(&format!("{location}/v2/app/manifests/v1"))
        .await
        .unwrap();
    registry.stage(Rule::new("*", "*"), Fault::redirect(&location, ""));
    test.get(&format!("{}/v2/app/manifests/v1", registry.url()))
        .await
        .unwrap();
    let requests = elsewhere.requests();
    assert_eq!(requests.len(), 2);
    assert!(!requests.iter().any(Request::has_credentials));
}

#[tokio::test]
async fn a_registry_on_https_does_not_lead_to_plain_http() {
    let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, ca.ca_pem()).unwrap();
    let registry = FakeRegistry::builder().tls(&ca).start().await.unwrap();
    let elsewhere = FakeRegistry::start().await.unwrap();
    let client = client(registry.host(), |settings| settings.ca_file = Some(path));
    let test = TestClient::new(client, registry.host()).await;
    let failure = test
        .get(&format!("{}/x?signature=s3cret", elsewhere.url()))
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::Invalid);
    let expected = format!("from https to http at {}", elsewhere.host());
    assert!(failure.answer.contains(&expected), "{failure}");
    assert!(!failure.answer.contains("s3cret"), "{failure}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_registry_leads_nowhere_but_to_http() {
    let registry = FakeRegistry::start().await.unwrap();
    let test = TestClient::new(plain(registry.host()), registry.host()).await;
    let ftp = test.get("ftp://elsewhere.example/x?signature=s3cret").await;
    let failure = ftp.unwrap_err();
    assert_eq!(failure.class, FailureClass::Invalid);
    let expected = "leads from http to ftp at elsewhere.example";
    assert!(failure.answer.contains(expected), "{failure}");
    assert!(!failure.answer.contains("s3cret"), "{failure}");
}
