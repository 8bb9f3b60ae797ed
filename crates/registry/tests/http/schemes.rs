//! HTTPS, and where plain HTTP is spoken instead.

use image_sync_shared::failure::FailureClass;
use image_sync_testkit::{FakeRegistry, PrivateCa};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{
    Setup, assert_all_found, put_app, put_many, resolve_app, resolve_many, router,
};

#[tokio::test]
async fn a_loopback_host_may_be_plain_and_is_found_out_once() {
    let registry = FakeRegistry::start().await.unwrap();
    put_many(&registry, 50);
    let router = router();
    for _ in 0..2 {
        assert_all_found(&resolve_many(&router, registry.host(), 50).await);
    }
    assert_eq!(registry.requests().len(), 100);
    // Each connection has a number, those on which TLS was tried included: one of them is the first, the others none.
    let first = registry
        .requests()
        .iter()
        .map(|request| request.connection)
        .min();
    assert_eq!(first, Some(1));
    let connections = registry
        .requests()
        .iter()
        .map(|r| r.connection)
        .max()
        .unwrap();
    assert!(connections <= 50, "{connections}");
}

#[tokio::test]
async fn plain_http_that_is_set_is_not_searched_for() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    for change in [0, 1] {
        registry.reset();
        let url = registry.url().to_owned();
        let setup = Setup::new().with(registry.host(), |settings| match change {
            0 => settings.plain_http = true,
            _ => settings.endpoint = Some(url),
        });
        let connections = || {
            registry
                .requests()
                .iter()
                .map(|request| request.connection)
                .max()
        };
        assert!(
            resolve_app(&setup.router(), registry.host())
                .await
                .unwrap()
                .is_some()
        );
        assert_eq!(connections(), Some(change));
    }
}

#[tokio::test]
async fn an_endpoint_stands_for_a_host_that_need_not_exist() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let url = registry.url().to_owned();
    let setup = Setup::new().with("registry.invalid", |settings| settings.endpoint = Some(url));
    assert!(
        resolve_app(&setup.router(), "registry.invalid")
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn https_where_plain_http_was_found_is_not_gone_back_to_and_the_other_way_round() {
    let ca = PrivateCa::new().unwrap();
    let secure = FakeRegistry::builder().tls(&ca).start().await.unwrap();
    put_app(&secure);
    let folder = tempfile::tempdir().unwrap();
    let router = Setup::new()
        .trusting(secure.host(), &ca, folder.path())
        .router();
    let host = secure.host().to_owned();
    assert!(resolve_app(&router, &host).await.unwrap().is_some());
    let port = host.rsplit_once(':').unwrap().1.parse().unwrap();
    drop(secure);
    let plain = loop {
        match FakeRegistry::builder().port(port).start().await {
            Ok(plain) => break plain,
            Err(_still_closing) => tokio::task::yield_now().await,
        }
    };
    put_app(&plain);
    let failure = resolve_app(&router, &host).await.unwrap_err();
    assert!(plain.requests().is_empty(), "{failure}");
}

/// Accepts connections, reads what comes first and answers in the plain HTTP of a server that is asked over TLS.
async fn plain_answerer() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let mut server = JoinSet::new();
    server.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 1024];
            assert!(stream.read(&mut hello).await.unwrap() > 0);
            let answer =
                b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer)
                .await
                .unwrap();
        }
    });
    (host, server)
}

#[tokio::test]
async fn a_host_that_answers_tls_in_plain_http_is_told_apart() {
    let (host, _server) = plain_answerer().await;
    let failure = resolve_app(&router(), &host).await.unwrap_err();
    assert!(failure.answer.starts_with("400 Bad Request"), "{failure}");
    let https = format!("https://{host}");
    let setup = Setup::new().with(&host, |settings| settings.endpoint = Some(https));
    let failure = resolve_app(&setup.router(), &host).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Denied);
    assert!(
        failure.answer.contains(&format!("{host} speaks no TLS")),
        "{failure}"
    );
}

#[tokio::test]
async fn nothing_that_listens_is_a_connection_refused() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = free.local_addr().unwrap().to_string();
    drop(free);
    let failure = resolve_app(&router(), &host).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Connection);
    assert_eq!(failure.answer, format!("connection refused by {host}"));
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_told() {
    let failure = resolve_app(&router(), "registry.invalid")
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::Connection);
    assert_eq!(
        failure.answer,
        "the name of registry.invalid cannot be resolved"
    );
}
