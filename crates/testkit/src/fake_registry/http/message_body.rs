//! The body of a request over HTTP/1.1 (RFC 9112, sections 6 and 7).

use std::io;

use bytes::Bytes;

use super::connection::Connection;
use super::interruption::{At, Interruption};

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// In chunks, the next one's size is to be read.
    Chunked,
    /// In chunks, so many bytes of the present one are left.
    InChunk(u64),
}

/// A body while it is read.
pub(crate) struct MessageBody<'a> {
    connection: &'a mut Connection,
    framing: Framing,
    wants_continue: bool,
    interruptions: Vec<Interruption>,
    read: u64,
}

impl<'a> MessageBody<'a> {
    pub(crate) fn new(
        connection: &'a mut Connection,
        framing: Framing,
        wants_continue: bool,
        interruptions: Vec<Interruption>,
    ) -> Self {
        Self {
            connection,
            framing,
            wants_continue,
            interruptions,
            read: 0,
        }
    }

    /// How many bytes were read.
    pub(crate) fn length_read(&self) -> u64 {
        self.read
    }

    /// Whether all of it was read.
    pub(crate) fn is_finished(&self) -> bool {
        self.framing == Framing::Length(0)
    }

    /// The next bytes; none at its end.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        self.interrupt().await?;
        if self.framing == Framing::Chunked {
            self.start_chunk().await?;
        }
        let (Framing::Length(left) | Framing::InChunk(left)) = self.framing else {
            return Ok(None);
        };
        if left == 0 {
            return Ok(None);
        }
        if std::mem::take(&mut self.wants_continue) {
            self.connection
                .send(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await?;
        }
        let piece = self
            .connection
            .take(left.min(self.until_interruption()))
            .await?;
        self.read += piece.len() as u64;
        let left = left - piece.len() as u64;
        self.framing = match self.framing {
            Framing::InChunk(_) if left == 0 => {
                self.connection.line().await?;
                Framing::Chunked
            }
            Framing::InChunk(_) => Framing::InChunk(left),
            _ => Framing::Length(left),
        };
        Ok(Some(piece))
    }

    async fn start_chunk(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.wants_continue) {
            self.connection
                .send(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await?;
        }
        let line = self.connection.line().await?;
        let size = String::from_utf8_lossy(&line);
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        self.framing = Framing::InChunk(size);
        if size == 0 {
            while !self.connection.line().await?.is_empty() {}
            self.framing = Framing::Length(0);
        }
        Ok(())
    }

    async fn interrupt(&mut self) -> io::Result<()> {
        while let Some(first) = self.interruptions.first() {
            if !matches!(first.at, At::RequestBody(at) if at <= self.read) {
                break;
            }
            let interruption = self.interruptions.remove(0);
            interruption.then.act(self.connection).await?;
        }
        Ok(())
    }

    fn until_interruption(&self) -> u64 {
        match self.interruptions.first().map(|first| first.at) {
            Some(At::RequestBody(at)) => at.saturating_sub(self.read).max(1),
            _ => u64::MAX,
        }
    }
}
