//! Hands a blob over to a request that is being sent, at the pace of the slower side.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use image_sync_shared::failure::{Failure, Side};
use tokio::sync::mpsc;

use super::verified::{Standstill, VerifiedBlob};

/// How many pieces wait between the two sides.
const WAITING_PIECES: usize = 1;
/// The largest piece, in bytes. A target that takes one in the stall time does not stand still, so it is small.
const MAX_PIECE: usize = 64 * 1024;

/// Where the pieces of a body go in.
pub(super) type Pieces = mpsc::Sender<Bytes>;

/// Why a body was not handed over.
#[derive(Debug)]
pub(super) enum BodyWriterError {
    /// The source failed.
    Source(Failure),
    /// The target took no byte in time, after so many.
    Stalled(u64),
    /// The request is over and takes nothing more.
    Over,
}

/// A body of `size` bytes, and where they go in. A body that gets fewer breaks its request, and never seems to end well.
pub(super) fn body(size: u64) -> (Pieces, reqwest::Body) {
    let (pieces, mut receiver) = mpsc::channel(WAITING_PIECES);
    let mut missing = size;
    let stream = stream::poll_fn(move |context| {
        receiver
            .poll_recv(context)
            .map(|piece: Option<Bytes>| match piece {
                Some(piece) => {
                    missing = missing.saturating_sub(piece.len() as u64);
                    Some(Ok(piece))
                }
                None if missing == 0 => None,
                None => Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof))),
            })
    });
    (pieces, reqwest::Body::wrap_stream(stream))
}

/// What goes into a body.
pub(super) struct BodyWriter<'a, 'b> {
    /// Its first bytes.
    pub(super) first: Bytes,
    /// What gives the others.
    pub(super) blob: &'a mut VerifiedBlob<'b>,
    /// How many bytes it gets in all.
    pub(super) length: u64,
    /// Where they go in.
    pub(super) pieces: Pieces,
    /// Is told of each piece that was taken: where in the body it stands, and how long it is.
    pub(super) on_bytes: &'a (dyn Fn(u64, u64) + Send + Sync),
    /// How long the target may take no byte.
    pub(super) stall: Duration,
}

impl BodyWriter<'_, '_> {
    /// Puts all of it in, and ends the body.
    pub(super) async fn run(self) -> Result<(), BodyWriterError> {
        let mut sent = 0;
        let mut standstill = Standstill::of(Side::Target, self.stall);
        let mut next = Some(self.first);
        while let Some(mut rest) = next {
            while !rest.is_empty() {
                let piece = rest.split_to(rest.len().min(MAX_PIECE));
                let length = piece.len() as u64;
                let taken = pin!(self.pieces.send(piece));
                match standstill.within(self.blob.digest(), taken).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(BodyWriterError::Over),
                    Err(_) => return Err(BodyWriterError::Stalled(sent)),
                }
                (self.on_bytes)(sent, length);
                sent += length;
            }
            next = match self.length.saturating_sub(sent) {
                0 => None,
                missing => {
                    let next = self.blob.next_within(missing).await;
                    next.map_err(BodyWriterError::Source)?
                }
            };
        }
        Ok(())
    }
}
