//! The smallest HTTP client that can fill a registry: one request per connection.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where requests go.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: String,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    /// The value of the Authorization header.
    pub(super) authorization: Option<String>,
}

/// An answer without its body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    text: String,
}

impl Answer {
    /// Itself, if its status is the expected one.
    pub(super) fn expect(self, status: u16) -> io::Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        let text = format!("expected {status}, was answered {}", self.text);
        Err(io::Error::other(text))
    }
}

impl Server {
    /// Makes a request; `target` is a path with a query, or an absolute URL of this server.
    pub(super) async fn request(
        &self,
        method: &str,
        target: &str,
        content_type: &str,
        body: &[u8],
    ) -> io::Result<Answer> {
        let target = path(target);
        let authorization = self
            .authorization
            .as_ref()
            .map(|value| format!("authorization: {value}\r\n"))
            .unwrap_or_default();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{authorization}content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let stream = TcpStream::connect(&self.address).await?;
        match &self.tls {
            None => exchange(stream, &head, body).await,
            Some(config) => {
                let name = ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
                let stream = TlsConnector::from(config.clone())
                    .connect(name, stream)
                    .await?;
                exchange(stream, &head, body).await
            }
        }
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    head: &str,
    body: &[u8],
) -> io::Result<Answer> {
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&answer)
}

fn parse(bytes: &[u8]) -> io::Result<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(bytes).map_err(io::Error::other)?;
    let location = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("location"))
        .map(|header| String::from_utf8_lossy(header.value).into_owned());
    Ok(Answer {
        status: response.code.unwrap_or_default(),
        location,
        text: String::from_utf8_lossy(bytes).into_owned(),
    })
}

/// The path and query of an absolute URL, or the text itself.
fn path(target: &str) -> &str {
    let after_scheme = target.split_once("://").map(|(_, rest)| rest);
    after_scheme
        .and_then(|rest| rest.find('/').map(|at| &rest[at..]))
        .unwrap_or(target)
}
