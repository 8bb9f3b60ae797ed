//! A connection, plain or TLS.

use std::io;
use std::io::ErrorKind;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What is below the HTTP.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Transport for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A connection and what was read of it but not used yet.
pub(crate) struct Connection {
    transport: Box<dyn Transport>,
    pub(crate) buffer: BytesMut,
}

impl Connection {
    pub(crate) fn new(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            buffer: BytesMut::with_capacity(8 * 1024),
        }
    }

    /// Reads more into the buffer; false at the end of the connection.
    pub(crate) async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(16 * 1024);
        Ok(self.transport.read_buf(&mut self.buffer).await? > 0)
    }

    /// Some bytes, at most `limit`.
    pub(crate) async fn take(&mut self, limit: u64) -> io::Result<Bytes> {
        if self.buffer.is_empty() && !self.fill().await? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let length = self.buffer.len().min(limit);
        Ok(self.buffer.split_to(length).freeze())
    }

    /// A line without its end.
    pub(crate) async fn line(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end).freeze();
                self.buffer.advance(1);
                let length = line.len() - usize::from(line.ends_with(b"\r"));
                return Ok(line.slice(..length));
            }
            if !self.fill().await? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.transport.write_all(bytes).await?;
        self.transport.flush().await
    }

    /// Ends the connection from this side and reads on until the client ends it too, so that an answer sent before the
    /// request's end is not lost to a reset.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        self.transport.shutdown().await?;
        while self.fill().await? {
            self.buffer.clear();
        }
        Ok(())
    }

    /// Returns when the client has closed the connection; never, if it has sent more than was read.
    pub(crate) async fn client_left(&self) {
        if let Ok(1..) = self.transport.tcp().peek(&mut [0]).await {
            std::future::pending::<()>().await;
        }
    }

    /// Makes the end of this connection a reset (RST) instead of an orderly one (FIN).
    pub(crate) fn end_with_reset(&self) -> io::Result<()> {
        self.transport.tcp().set_zero_linger()
    }
}
