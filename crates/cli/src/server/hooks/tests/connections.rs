//! The paths as they are over a connection: nothing that a client holds back is waited for.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::server::connections::{Limits, serve};
use crate::server::probes::{self, Probes};
use crate::telemetry::metrics::Metrics;

/// All paths, as a program serves them.
async fn served(test: &TestHooks) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let probes = Probes::new(Metrics::new(), CancellationToken::new());
    let router = probes::router(Arc::new(probes)).merge(router(Arc::clone(&test.slot)));
    let mut server = JoinSet::new();
    server.spawn(serve(listener, router, Limits::default(), None));
    (address, server)
}

/// What is answered until the connection is closed.
async fn said(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end as well: what was answered before it counts.
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8(answer).unwrap()
}

fn post(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n")
}

#[tokio::test]
async fn of_who_proves_nothing_no_body_is_waited_for_nor_of_a_stated_gigabyte() {
    let test = TestHooks::new();
    let (address, _server) = served(&test).await;
    for length in [
        "content-length: 1000000000\r\n",
        "transfer-encoding: chunked\r\n",
    ] {
        for sender in Sender::ALL {
            let answer = said(address, &post(&format!("/v1/hooks/{sender}"), length)).await;
            assert!(answer.starts_with("HTTP/1.1 401 "), "{sender}: {answer}");
            assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        }
        let answer = said(address, &post("/v1/enqueue", length)).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        let answer = said(address, &post("/v1/hooks/nobody", length)).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    let long = "content-length: 1000000000\r\n";
    let signed = format!("x-hub-signature-256: sha256={}\r\n{long}", "0".repeat(64));
    let answer = said(address, &post("/v1/hooks/github", &signed)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let proven = format!(
        "authorization: Bearer {}\r\n{long}",
        secret_of(Sender::Harbor)
    );
    let answer = said(address, &post("/v1/hooks/harbor", &proven)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(
        said(address, "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .ends_with("ok\n")
    );
}

#[tokio::test]
async fn an_event_over_a_connection_is_taken_in_pieces_too() {
    let test = TestHooks::new();
    let (address, _server) = served(&test).await;
    let event = test.event(Sender::Harbor);
    let body = String::from_utf8(event.body).unwrap();
    let (one, two) = body.split_at(body.len() / 2);
    let proof = format!("authorization: Bearer {}\r\n", secret_of(Sender::Harbor));
    let head = post(
        "/v1/hooks/harbor",
        &format!("{proof}transfer-encoding: chunked\r\n"),
    );
    let pieces = [one, two, ""].map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len()));
    let answer = said(address, &format!("{head}{}", pieces.concat())).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert_eq!(test.stored(), ["cache.test/team/app:v1"]);
}

#[tokio::test]
async fn no_path_leads_around_a_proof() {
    let test = TestHooks::new();
    let (address, _server) = served(&test).await;
    let secret = secret_of(Sender::Quay);
    let long = format!("/v1/hooks/quay/{}", "a".repeat(100_000));
    let tricks = [
        "/v1/hooks/github/../generic",
        "/v1/hooks/github/../x",
        "/v1/hooks/%2e%2e/enqueue",
        "/v1/hooks/quay%2f",
        "/v1/hooks/quay%2F%2e%2e",
        "/v1/hooks/quay//",
        "/v1/hooks//quay",
        "//v1/hooks/quay",
        "/v1/hooks/quay/",
        "/v1/hooks/quay/%00",
        "/v1/hooks/quay/%ff",
        "/v1/hooks/quay?secret=x",
        "/v1/hooks/QUAY",
        "/v1/hooks/",
        "/v1/enqueue/",
        "*",
        "http://x/v1/hooks/quay",
        &long,
        &format!("/v1/hooks/quay/{secret}/x"),
        &format!("/v1/hooks/quay/x/{secret}"),
        &format!("/v1/hooks/{secret}/quay"),
        &format!("/v1/hooks/quay?{secret}"),
    ];
    for path in tricks {
        let answer = said(address, &post(path, "content-length: 2\r\n")).await;
        let shown = &path[..path.len().min(60)];
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(refused, "{shown}: {answer}");
        assert!(!answer.contains(&secret), "{shown}: {answer}");
    }
    for method in ["GET", "PUT", "HEAD", "DELETE"] {
        let request = format!("{method} /v1/hooks/quay/{secret} HTTP/1.1\r\nhost: x\r\n\r\n");
        let answer = said(address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
    }
    assert!(test.stored().is_empty());
}
