//! Bodies whose length no header states: in chunks, or until the connection is closed.

use std::net::SocketAddr;

use image_sync_shared::failure::{Failure, FailureClass, Side};
use image_sync_shared::ports::transfer::registries::Arrival;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::images::Blob;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{RouterBuilder, blob, copied, copy, repository, source, target};

/// Answers every request with `answer`, then closes the connection.
async fn answering(answer: Vec<u8>) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let Ok(1..) = stream.read_buf(&mut request).await else {
                    break;
                };
            }
            stream.write_all(&answer).await.unwrap();
        }
    });
    (address, server)
}

async fn copy_of(blob: &Blob, answer: Vec<u8>) -> Result<Arrival, Failure> {
    let (address, _server) = answering(answer).await;
    let registry = FakeRegistry::start().await.unwrap();
    let host = address.to_string();
    let router = RouterBuilder::new().plain(&host).router();
    let from = source(repository(&host, "from"));
    let to = target(repository(registry.host(), "to"));
    let arrival = copy(&router, &from, &to, &blob.descriptor()).await;
    router.close().await;
    assert_eq!(registry.has_blob("to", &blob.digest), arrival.is_ok());
    assert_eq!(registry.open_uploads(), [""; 0]);
    arrival
}

fn chunked(bytes: &[u8]) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in bytes.chunks(10_000) {
        answer.extend(format!("{:x}\r\n", chunk.len()).bytes());
        answer.extend(chunk);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    answer
}

fn until_closed(bytes: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", bytes].concat()
}

#[tokio::test]
async fn a_blob_may_come_without_its_length() {
    let blob = blob("a", 100_000);
    for answer in [chunked(&blob.bytes), until_closed(&blob.bytes)] {
        assert_eq!(copy_of(&blob, answer).await, Ok(copied(&blob)));
    }
}

#[tokio::test]
async fn a_blob_without_length_that_is_too_short_or_too_long_fails() {
    let blob = blob("a", 100_000);
    let short = &blob.bytes[..99_999];
    let long = [&blob.bytes[..], b"x"].concat();
    for answer in [
        chunked(short),
        chunked(&long),
        until_closed(short),
        until_closed(&long),
    ] {
        let failure = copy_of(&blob, answer).await.unwrap_err();
        assert_eq!(failure.side, Side::Source);
        assert_eq!(failure.class, FailureClass::DigestMismatch, "{failure}");
    }
}
