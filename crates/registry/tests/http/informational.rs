//! Informational answers (RFC 9110, section 15.2): any number of them is no answer.

use image_sync_shared::failure::FailureClass;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{Setup, resolve_app};

/// Answers the first request with `heads` for as long as anyone reads them, and ends when no one does.
async fn endless(heads: &'static [u8]) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        while stream.write_all(heads).await.is_ok() {}
    });
    (host, server)
}

#[tokio::test]
async fn a_host_that_sends_nothing_but_1xx_answers_is_left_when_its_time_is_up() {
    for heads in [
        &b"HTTP/1.1 100 Continue\r\n\r\n"[..],
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 X\r\n\r\n",
    ] {
        let (host, mut server) = endless(heads).await;
        let setup = Setup::new().impatient();
        let setup = setup.with(&host, |settings| settings.plain_http = true);
        let failure = resolve_app(&setup.router(), &host).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Timeout, "{failure}");
        assert_eq!(failure.answer, format!("no answer of {host} within 1 s"));
        // The connection was closed, so that the host cannot go on.
        server.join_next().await.unwrap().unwrap();
    }
}
