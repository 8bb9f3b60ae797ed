//! HTTPS, and where plain HTTP is spoken instead.

use image_sync_shared::failure::FailureClass;
use image_sync_testkit::{FakeRegistry, PrivateCa};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::{
    RouterBuilder, assert_all_found, put_app, put_many, resolve_app, resolve_many, router,
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
        let setup = RouterBuilder::new().with(registry.host(), |settings| match change {
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
    let setup =
        RouterBuilder::new().with("registry.invalid", |settings| settings.endpoint = Some(url));
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
    let router = RouterBuilder::new()
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
            stream.write_all(answer).await.unwrap();
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
    let setup = RouterBuilder::new().with(&host, |settings| settings.endpoint = Some(https));
    let failure = resolve_app(&setup.router(), &host).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Denied);
    assert!(
        failure.answer.contains(&format!("{host} speaks no TLS")),
        "{failure}"
    );
}

/// The first byte of TLS (RFC 8446, section 5.1).
const TLS_HANDSHAKE: [u8; 1] = [22];
const PLAIN_REQUEST_TO_TLS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Passes connections on to `host`, but for the first one, which it closes once it has read from it. Where `host` speaks TLS, it
/// refuses plain requests as servers written in Go do.
async fn closing_the_first(host: &str, speaks_tls: bool) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (own, host) = (listener.local_addr().unwrap().to_string(), host.to_owned());
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        assert!(first.read(&mut [0; 1024]).await.unwrap() > 0);
        drop(first);
        let mut connections = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&host).await.unwrap();
            connections.spawn(async move {
                let mut byte = [0; 1];
                let is_plain = client.peek(&mut byte).await.is_ok() && byte != TLS_HANDSHAKE;
                if speaks_tls && is_plain {
                    drop(client.read(&mut [0; 1024]).await);
                    drop(client.write_all(PLAIN_REQUEST_TO_TLS).await);
                } else {
                    drop(copy_bidirectional(&mut client, &mut server).await);
                }
            });
        }
    });
    (own, server)
}

#[tokio::test]
async fn a_connection_that_is_cut_once_does_not_make_a_tls_host_a_plain_one() {
    let ca = PrivateCa::new().unwrap();
    let secure = FakeRegistry::builder().tls(&ca).start().await.unwrap();
    put_app(&secure);
    let (host, _server) = closing_the_first(secure.host(), true).await;
    let folder = tempfile::tempdir().unwrap();
    let router = RouterBuilder::new()
        .trusting(&host, &ca, folder.path())
        .router();
    let failure = resolve_app(&router, &host).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Connection, "{failure}");
    assert!(resolve_app(&router, &host).await.unwrap().is_some());
}

#[tokio::test]
async fn a_plain_host_that_hangs_up_on_tls_is_found() {
    let plain = FakeRegistry::start().await.unwrap();
    put_app(&plain);
    let (host, _server) = closing_the_first(plain.host(), false).await;
    assert!(resolve_app(&router(), &host).await.unwrap().is_some());
}

#[tokio::test]
async fn a_host_that_hangs_up_on_plain_http_is_told_to_be_asked_over_tls() {
    let plain = FakeRegistry::start().await.unwrap();
    let (host, _server) = closing_the_first(plain.host(), false).await;
    let setup = RouterBuilder::new().with(&host, |settings| settings.plain_http = true);
    let failure = resolve_app(&setup.router(), &host).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Connection);
    assert!(
        failure
            .answer
            .contains("if it speaks TLS, take plain_http away"),
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
