//! The system's proxies, which are set in the environment: the test runs itself once more in one of its own.

use std::process::Stdio;

use image_sync_testkit::FakeRegistry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::support::{Setup, put_app, resolve_app};

/// Names the registry that is asked past the proxy, in the second run.
const DIRECT: &str = "IMAGE_SYNC_TEST_DIRECT_REGISTRY";
const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A proxy that knows one image of one registry.
async fn proxy() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move {
        let expected = b"HEAD http://registry.invalid/v2/app/manifests/v1 HTTP/1.1\r\n";
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; expected.len()];
            stream.read_exact(&mut request).await.unwrap();
            assert_eq!(request, expected, "{}", request.escape_ascii());
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndocker-content-digest: {DIGEST}\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, server)
}

#[tokio::test]
async fn the_systems_proxies_are_used_but_not_for_this_machine() {
    #[expect(
        clippy::disallowed_methods,
        reason = "tells the second run of this test from the first"
    )]
    if let Ok(direct) = std::env::var(DIRECT) {
        return behind_the_proxy(&direct).await;
    }
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let (proxy, _server) = proxy().await;
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "proxies::the_systems_proxies_are_used_but_not_for_this_machine",
        ])
        .env(DIRECT, registry.host())
        .env("HTTP_PROXY", &proxy)
        .env("HTTPS_PROXY", &proxy)
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .stdout(Stdio::null())
        .status();
    assert!(status.await.unwrap().success());
    assert_eq!(registry.requests().len(), 1);
}

async fn behind_the_proxy(direct: &str) {
    let setup = Setup::new().with("registry.invalid", |settings| settings.plain_http = true);
    let router = setup.router();
    let resolved = resolve_app(&router, "registry.invalid")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(resolved.digest.as_str(), DIGEST);
    assert!(resolve_app(&router, direct).await.unwrap().is_some());
}
