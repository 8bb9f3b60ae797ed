//! A program that serves probes.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Running;

/// How long what must come may take: only a test that hangs sees the end of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that was started with `--listen`, and where its probes are.
pub struct Watched {
    /// Its process.
    pub role: Running,
    address: String,
}

#[expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]
impl Watched {
    /// Waits until the program says where its probes are, in a log of text at level info.
    pub async fn over(role: Running) -> Self {
        let line = role.line("/readyz and /metrics").await;
        let (_, address) = line.rsplit_once("address=").expect("an address");
        Self {
            address: address.to_owned(),
            role,
        }
    }

    /// A connection on which nothing was said.
    pub async fn connect(&self) -> TcpStream {
        let connected = TcpStream::connect(&self.address).await;
        connected.expect("somebody who listens")
    }

    /// Where it listens: `127.0.0.1:4711`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The status and body of an answer.
    pub async fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "", "").await
    }

    /// The status and body of the answer to a request with these header lines, each with its end, and this body.
    pub async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        ask(&self.address, method, path, headers, body).await
    }

    /// The metrics, once they have for each of these starts a line that begins so: what belongs together is counted one
    /// after the other. Asks again and again, as nobody tells when it will be there.
    pub async fn metrics_with(&self, starts: &[&str]) -> String {
        let mut missing = None;
        let asked = async {
            loop {
                let (_, text) = self.get("/metrics").await;
                let is_there = |start: &&&str| text.lines().any(|line| line.starts_with(**start));
                missing = starts.iter().find(|start| !is_there(start));
                if missing.is_none() {
                    return text;
                }
            }
        };
        let found = timeout(PATIENCE, asked).await;
        found.unwrap_or_else(|_| panic!("no metric {}", missing.unwrap_or(&"at all")))
    }

    /// Asks until `/readyz` has this status, and returns what it says then.
    pub async fn readiness_is(&self, status: u16) -> String {
        let asked = async {
            loop {
                let (found, why) = self.get("/readyz").await;
                if found == status {
                    return why;
                }
            }
        };
        let found = timeout(PATIENCE, asked).await;
        found.unwrap_or_else(|_| panic!("/readyz was never {status}"))
    }
}

/// The status and body of the answer of who listens at `address` to a request with these header lines, each with its end,
/// and this body.
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]
pub async fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, String) {
    let connected = TcpStream::connect(address).await;
    let mut stream = connected.expect("somebody who listens");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: probes\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("a request that is taken");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    read.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}
