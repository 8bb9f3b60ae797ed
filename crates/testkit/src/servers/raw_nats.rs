//! A client of NATS that sends what no library would.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Header blocks that a server takes and clients choke on, each of its own kind, with what is wrong with it.
pub const UNREADABLE_HEADERS: [(&str, &[u8]); 10] = [
    ("a lone CR in a value", b"NATS/1.0\r\nA: b\rc\r\n\r\n"),
    (
        "bytes that are no UTF-8",
        b"NATS/1.0\r\nA: \xff\xfe\r\n\r\n",
    ),
    ("a blank in a name", b"NATS/1.0\r\nA b: c\r\n\r\n"),
    (
        "a control character in a name",
        b"NATS/1.0\r\nA\x01: c\r\n\r\n",
    ),
    ("a line without a colon", b"NATS/1.0\r\nno colon\r\n\r\n"),
    ("another version", b"NATS/2.0\r\nA: b\r\n\r\n"),
    ("no version", b"A: b\r\n\r\n"),
    ("a status of two digits", b"NATS/1.0 99\r\n\r\n"),
    ("a status in words", b"NATS/1.0 Not Found\r\n\r\n"),
    (
        "a lone CR in a continued value",
        b"NATS/1.0\r\nA: b\r\n \rc\r\n\r\n",
    ),
];

/// A connection over which bytes are sent as they are.
pub struct RawNats(BufReader<TcpStream>);

impl RawNats {
    /// Connects to the server at `host` (`127.0.0.1:4222`) as nobody in particular.
    pub async fn connect(host: &str) -> io::Result<Self> {
        Self::connect_with(host, "").await
    }

    /// Connects as a user with a password.
    pub async fn connect_as(host: &str, user: &str, password: &str) -> io::Result<Self> {
        Self::connect_with(host, &format!(r#","user":"{user}","pass":"{password}""#)).await
    }

    async fn connect_with(host: &str, credentials: &str) -> io::Result<Self> {
        let mut raw = Self(BufReader::new(TcpStream::connect(host).await?));
        let connect = format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true{credentials}}}\r\n"
        );
        raw.0.write_all(connect.as_bytes()).await?;
        raw.flush().await?;
        Ok(raw)
    }

    /// Publishes a message with these bytes as headers (`HPUB`), or without headers (`PUB`) if there are none.
    pub async fn publish(
        &mut self,
        subject: &[u8],
        headers: &[u8],
        payload: &[u8],
    ) -> io::Result<()> {
        let (operation, lengths) = match headers.len() {
            0 => ("PUB ", payload.len().to_string()),
            length => ("HPUB ", format!("{length} {}", length + payload.len())),
        };
        let parts = [
            operation.as_bytes(),
            subject,
            b" ",
            lengths.as_bytes(),
            b"\r\n",
            headers,
            payload,
            b"\r\n",
        ];
        self.0.write_all(&parts.concat()).await
    }

    /// The answer to a request without a payload.
    pub async fn request(&mut self, subject: &str) -> io::Result<Vec<u8>> {
        let request = format!("SUB _INBOX.raw 1\r\nPUB {subject} _INBOX.raw 0\r\n\r\n");
        self.0.write_all(request.as_bytes()).await?;
        let mut line = String::new();
        while self.0.read_line(&mut line).await? > 0 {
            if let Some(message) = line.strip_prefix("MSG ") {
                let length = message.split_whitespace().last().unwrap_or_default();
                let mut payload = vec![0; length.parse().map_err(io::Error::other)?];
                self.0.read_exact(&mut payload).await?;
                return Ok(payload);
            }
            if line.starts_with("HMSG ") || line.starts_with("-ERR") {
                return Err(io::Error::other(line));
            }
            line.clear();
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// Subscribes to one subject, which may have wildcards.
    pub async fn subscribe(&mut self, subject: &str) -> io::Result<()> {
        let subscribe = format!("SUB {subject} 2\r\n");
        self.0.write_all(subscribe.as_bytes()).await
    }

    /// The subjects of the messages that have come so far, which are to have payloads of one line.
    pub async fn subjects_heard(&mut self) -> io::Result<Vec<String>> {
        self.0.write_all(b"PING\r\n").await?;
        let (mut line, mut subjects) = (String::new(), Vec::new());
        while self.0.read_line(&mut line).await? > 0 && !line.starts_with("PONG") {
            let mut words = line.split_whitespace();
            if let (Some("MSG" | "HMSG"), Some(subject)) = (words.next(), words.next()) {
                subjects.push(subject.to_owned());
            }
            line.clear();
        }
        Ok(subjects)
    }

    /// Returns when the server has read all that was sent, and fails if it did not take something.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.0.write_all(b"PING\r\n").await?;
        let mut line = String::new();
        while self.0.read_line(&mut line).await? > 0 {
            if line.starts_with("-ERR") {
                return Err(io::Error::other(line));
            }
            if line.starts_with("PONG") {
                return Ok(());
            }
            line.clear();
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
