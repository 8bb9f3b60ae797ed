//! A client that shows what came over the wire.

use std::io::{self, ErrorKind};

use image_sync_testkit::FakeRegistry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    host: String,
}

/// What came before the connection ended, or before the answer was whole.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(n, _)| n == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Received {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The bytes after the headers.
    pub(crate) fn body(&self) -> &[u8] {
        let end = self.bytes.windows(4).position(|w| w == b"\r\n\r\n");
        end.map_or(&[], |at| &self.bytes[at + 4..])
    }
}

impl Client {
    pub(crate) async fn to(registry: &FakeRegistry) -> io::Result<Self> {
        Ok(Self {
            stream: TcpStream::connect(registry.host()).await?,
            host: registry.host().to_owned(),
        })
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", self.host);
        let length = ("content-length", &*body.len().to_string());
        for (name, value) in headers.iter().chain([&length]) {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        self.send_raw(&[head.as_bytes(), body].concat()).await
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads until the connection ends.
    pub(crate) async fn receive_all(&mut self) -> io::Result<Received> {
        let mut bytes = Vec::new();
        let end = match self.stream.read_to_end(&mut bytes).await {
            Ok(_) => End::Closed,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
            Err(error) => return Err(error),
        };
        Ok(Received { bytes, end })
    }

    /// Reads so many bytes.
    pub(crate) async fn receive(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    /// Reads one answer, whose body is as long as it says.
    pub(crate) async fn answer(&mut self, without_body: bool) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await?);
        }
        let text = String::from_utf8_lossy(&head);
        let mut lines = text.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let mut answer = Answer {
            status: status.and_then(|s| s.parse().ok()).unwrap_or_default(),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: Vec::new(),
        };
        if !without_body {
            let length = answer.header("content-length").parse().unwrap_or_default();
            answer.body = self.receive(length).await?;
        }
        Ok(answer)
    }

    pub(crate) async fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        self.send(method, target, headers, body).await?;
        self.answer(method == "HEAD").await
    }

    pub(crate) async fn get(&mut self, target: &str) -> io::Result<Answer> {
        self.ask("GET", target, &[], &[]).await
    }
}

/// One request over a connection of its own.
pub(crate) async fn ask(
    registry: &FakeRegistry,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut client = Client::to(registry).await?;
    client.ask(method, target, headers, body).await
}

/// All that comes after one request, until the connection ends.
pub(crate) async fn watch(
    registry: &FakeRegistry,
    method: &str,
    target: &str,
) -> io::Result<Received> {
    let mut client = Client::to(registry).await?;
    client
        .send(method, target, &[("connection", "close")], &[])
        .await?;
    client.receive_all().await
}
