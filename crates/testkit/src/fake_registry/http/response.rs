//! An answer, and how it goes over the wire.

use std::io;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use serde_json::json;

use super::connection::Connection;
use super::interruption::{At, Interruption};
use crate::fake_registry::store::content::Content;
use crate::images::gzip;

const SMALL: u64 = 16 * 1024;

/// An answer before it is sent.
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    content: Content,
    range: Range<u64>,
    extra: u64,
    corrupt: bool,
    closing: bool,
}

impl Response {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Bytes(Bytes::new()),
            range: 0..0,
            extra: 0,
            corrupt: false,
            closing: false,
        }
    }

    /// An error of the form of the OCI distribution spec, section "Error codes".
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"errors": [{"code": code, "message": message}]});
        Self::new(status).json(&body)
    }

    pub(crate) fn json(self, value: &serde_json::Value) -> Self {
        self.header("content-type", "application/json")
            .text(value.to_string())
    }

    pub(crate) fn text(self, text: String) -> Self {
        self.content(Content::Bytes(text.into()))
    }

    pub(crate) fn content(mut self, content: Content) -> Self {
        self.range = 0..content.len();
        self.content = content;
        self
    }

    /// Only this part of the content, which makes it a 206.
    pub(crate) fn part(mut self, range: Range<u64>) -> Self {
        self.status = 206;
        self.range = range;
        self
    }

    /// Sets a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header, even if one of that name is there.
    pub(crate) fn one_more_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn shortened(mut self, bytes: u64) -> Self {
        self.range.end = self.range.end.saturating_sub(bytes).max(self.range.start);
        self
    }

    pub(crate) fn lengthened(mut self, bytes: u64) -> Self {
        self.extra += bytes;
        self
    }

    pub(crate) fn corrupted(mut self) -> Self {
        self.corrupt = true;
        self
    }

    /// The body as a gzip stream, if it is held in memory.
    pub(crate) fn encoded(self) -> Self {
        let Content::Bytes(bytes) = &self.content else {
            return self;
        };
        let stream = gzip(bytes);
        self.header("content-encoding", "gzip")
            .content(Content::Bytes(stream.into()))
    }

    /// The connection ends with this answer.
    pub(crate) fn closing(mut self) -> Self {
        self.closing = true;
        self.header("connection", "close")
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Its headers without those of its framing.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    pub(crate) fn length(&self) -> u64 {
        self.range.end - self.range.start + self.extra
    }

    fn head(&self) -> BytesMut {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        if self.status != 204 {
            let length = format!("content-length: {}\r\n", self.length());
            head.push_str(&length);
        }
        head.push_str("\r\n");
        BytesMut::from(head.as_bytes())
    }

    /// Some bytes of its body from `at` on, none where they were discarded.
    pub(crate) fn piece(&self, at: u64) -> Bytes {
        let (start, end) = (self.range.start + at, self.range.end);
        if start >= end {
            let length = self.length().saturating_sub(at).min(SMALL);
            return vec![0; usize::try_from(length).unwrap_or_default()].into();
        }
        let piece = self.content.piece(start, end);
        if at > 0 || !self.corrupt || piece.is_empty() {
            return piece;
        }
        let mut wrong = BytesMut::from(&piece[..]);
        wrong[0] ^= 0xff;
        wrong.freeze()
    }

    /// Sends it; `without_body` for the answer to a HEAD.
    pub(crate) async fn send(
        &self,
        connection: &mut Connection,
        without_body: bool,
        interruptions: &[Interruption],
    ) -> io::Result<()> {
        let mut head = self.head();
        let length = if without_body { 0 } else { self.length() };
        if interruptions.is_empty() && length <= SMALL {
            let mut at = 0;
            while at < length {
                let piece = self.piece(at);
                at += ended_early(&piece)?;
                head.extend_from_slice(&piece);
            }
            return connection.send(&head).await;
        }
        interrupt(interruptions, At::Headers, connection).await?;
        let rest = head.split_off(head.len() / 2);
        connection.send(&head).await?;
        interrupt(interruptions, At::MidHeaders, connection).await?;
        connection.send(&rest).await?;
        self.send_body(connection, length, interruptions).await
    }

    async fn send_body(
        &self,
        connection: &mut Connection,
        length: u64,
        interruptions: &[Interruption],
    ) -> io::Result<()> {
        let mut at = 0;
        loop {
            interrupt(interruptions, At::Body(at), connection).await?;
            if at >= length {
                return Ok(());
            }
            let mut piece = self.piece(at);
            if let Some(next) = next_in_body(interruptions, at) {
                let next = usize::try_from(next - at).unwrap_or(usize::MAX);
                piece.truncate(next);
            }
            at += ended_early(&piece)?;
            connection.send(&piece).await?;
        }
    }
}

fn ended_early(piece: &Bytes) -> io::Result<u64> {
    if piece.is_empty() {
        return Err(io::Error::other("the content was discarded"));
    }
    Ok(piece.len() as u64)
}

async fn interrupt(
    interruptions: &[Interruption],
    at: At,
    connection: &Connection,
) -> io::Result<()> {
    for interruption in interruptions.iter().filter(|i| i.at == at) {
        interruption.then.act(connection).await?;
    }
    Ok(())
}

fn next_in_body(interruptions: &[Interruption], after: u64) -> Option<u64> {
    interruptions
        .iter()
        .filter_map(|interruption| match interruption.at {
            At::Body(at) if at > after => Some(at),
            _ => None,
        })
        .min()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
