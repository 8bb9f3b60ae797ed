//! Proxies: those of the environment, which is given to the router as text, and those of one registry.

use std::sync::{Arc, Mutex};

use image_sync_registry::ProxyEnv;
use image_sync_shared::config::ProxySetting;
use image_sync_shared::failure::FailureClass;
use image_sync_shared::secret::Secret;
use image_sync_testkit::FakeRegistry;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{RouterBuilder, put_app, resolve_app};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// "do@me:p:w" in base64.
const LOGIN: &str = "Basic ZG9AbWU6cDp3";

/// A proxy that knows `app:v1` of all registries, and opens no tunnel. It ends when it is dropped.
struct Proxy {
    host: String,
    heads: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let mut server = JoinSet::new();
        let told = Arc::clone(&heads);
        server.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if stream.read_line(&mut head).await.unwrap() == 0 {
                        break;
                    }
                }
                let answer = if head.starts_with("CONNECT ") {
                    "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n".to_owned()
                } else {
                    format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\ndocker-content-digest: {DIGEST}\r\n\r\n")
                };
                told.lock().unwrap().push(head);
                // A client may have gone.
                stream.write_all(answer.as_bytes()).await.ok();
            }
        });
        Self {
            host,
            heads,
            _server: server,
        }
    }

    fn url(&self) -> Secret {
        Secret::new(format!("http://do%40me:p%3Aw@{}", self.host))
    }

    fn env(&self, no_proxy: &str) -> ProxyEnv {
        ProxyEnv {
            http: Some(self.url()),
            https: Some(self.url()),
            all: None,
            no_proxy: Some(no_proxy.to_owned()),
        }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn plain(setup: RouterBuilder) -> RouterBuilder {
    setup.with("registry.invalid", |settings| settings.plain_http = true)
}

#[tokio::test]
async fn the_systems_proxies_are_used_but_not_for_this_machine() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let proxy = Proxy::start().await;
    let router = plain(RouterBuilder::new().proxies(|env| *env = proxy.env(""))).router();
    let resolved = resolve_app(&router, "registry.invalid").await.unwrap();
    assert_eq!(resolved.unwrap().digest.as_str(), DIGEST);
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(registry.requests().len(), 1);
    let [head] = proxy.heads().try_into().unwrap();
    let expected = "HEAD http://registry.invalid/v2/app/manifests/v1 HTTP/1.1\r\n";
    assert!(head.starts_with(expected), "{head}");
    let login = format!("proxy-authorization: {LOGIN}\r\n");
    assert!(
        head.to_ascii_lowercase()
            .contains(&login.to_ascii_lowercase()),
        "{head}"
    );
    assert!(head.contains(LOGIN), "{head}");
}

#[tokio::test]
async fn no_proxy_leaves_out_what_it_names() {
    let proxy = Proxy::start().await;
    for no_proxy in [
        "registry.invalid:80",
        "*",
        ".invalid",
        "invalid",
        "*.invalid",
    ] {
        let setup = plain(RouterBuilder::new().proxies(|env| *env = proxy.env(no_proxy)));
        let failure = resolve_app(&setup.router(), "registry.invalid").await;
        assert_eq!(
            failure.unwrap_err().class,
            FailureClass::Connection,
            "{no_proxy}"
        );
        assert_eq!(proxy.heads().len(), 0, "{no_proxy}");
    }
    let other =
        plain(RouterBuilder::new().proxies(|env| *env = proxy.env("registry.invalid:5000")));
    assert!(
        resolve_app(&other.router(), "registry.invalid")
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_registry_may_have_a_proxy_of_its_own_or_none() {
    let (system, own) = (Proxy::start().await, Proxy::start().await);
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let setup = |setting: ProxySetting| {
        plain(RouterBuilder::new().proxies(|env| *env = system.env("registry.invalid")))
            .with("registry.invalid", |settings| {
                settings.proxy = Some(setting.clone());
            })
            .with(registry.host(), |settings| {
                settings.plain_http = true;
                settings.proxy = Some(setting);
            })
            .router()
    };
    let through = setup(ProxySetting::Server(own.url()));
    for host in ["registry.invalid", registry.host()] {
        assert!(resolve_app(&through, host).await.unwrap().is_some());
    }
    assert_eq!((own.heads().len(), registry.requests().len()), (2, 0));
    let past = setup(ProxySetting::Nothing);
    assert!(resolve_app(&past, registry.host()).await.unwrap().is_some());
    assert!(resolve_app(&past, "registry.invalid").await.is_err());
    assert_eq!((own.heads().len(), system.heads().len()), (2, 0));
}

#[tokio::test]
async fn a_proxy_that_opens_no_tunnel_is_named_without_its_password() {
    let proxy = Proxy::start().await;
    let router = RouterBuilder::new()
        .proxies(|env| *env = proxy.env(""))
        .router();
    let failure = resolve_app(&router, "registry.invalid").await.unwrap_err();
    let expected = format!("(through the proxy {})", proxy.host);
    assert!(failure.answer.contains(&expected), "{failure}");
    for secret in ["p:w", "p%3Aw", "ZG9AbWU6cDp3"] {
        assert!(!failure.to_string().contains(secret), "{failure}");
    }
    let [head] = proxy.heads().try_into().unwrap();
    assert!(head.starts_with("CONNECT registry.invalid:443 "), "{head}");
    assert!(head.contains(LOGIN), "{head}");
}

#[test]
fn what_is_no_proxy_is_told_before_anything_is_contacted() {
    let bad = || Secret::new("socks4://u:hunter2@p");
    let setup = RouterBuilder::new().proxies(|env| env.https = Some(bad()));
    let of_environment = setup.try_router().err().unwrap().to_string();
    assert!(
        of_environment.starts_with("HTTPS_PROXY: "),
        "{of_environment}"
    );
    let setup = RouterBuilder::new().with("r.example", |settings| {
        settings.proxy = Some(ProxySetting::Server(bad()));
    });
    let of_registry = setup.try_router().err().unwrap().to_string();
    assert!(
        of_registry.starts_with("registries.r.example: proxy: "),
        "{of_registry}"
    );
    assert!(!(of_environment + &of_registry).contains("hunter2"));
}
