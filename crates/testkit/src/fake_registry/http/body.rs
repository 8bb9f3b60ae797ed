//! The body of a request, over either version of HTTP.

use std::io;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;

use super::message_body::MessageBody;

/// A body while it is read.
pub(crate) enum Body<'a> {
    /// Of a message of HTTP/1.1.
    Message(MessageBody<'a>),
    /// Of a stream of HTTP/2, and how many bytes of it were read.
    Stream(RecvStream, u64),
}

impl Body<'_> {
    /// How many bytes were read.
    pub(crate) fn length_read(&self) -> u64 {
        match self {
            Self::Message(message) => message.length_read(),
            Self::Stream(_, read) => *read,
        }
    }

    /// The next bytes; none at its end.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Self::Message(message) => message.next().await,
            Self::Stream(stream, read) => {
                let Some(piece) = stream.data().await else {
                    return Ok(None);
                };
                let piece = piece.map_err(io::Error::other)?;
                *read += piece.len() as u64;
                let window = stream.flow_control().release_capacity(piece.len());
                window.map_err(io::Error::other)?;
                Ok(Some(piece))
            }
        }
    }

    /// All of it.
    pub(crate) async fn all(&mut self) -> io::Result<Bytes> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// Reads the rest and forgets it.
    pub(crate) async fn drain(&mut self) -> io::Result<()> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}
