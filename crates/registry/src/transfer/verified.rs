//! A blob that is hashed while it is read, and whose last bytes come out only once its digest is right.

use std::time::Duration;

use bytes::Bytes;
use image_sync_shared::digest::Hasher;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::manifest::Descriptor;
use tokio::time::timeout;

use super::source::Source;

/// The bytes of a blob, of which nobody gets all unless they have its digest and size.
pub(super) struct Verified<'a> {
    source: Source<'a>,
    side: Side,
    blob: &'a Descriptor,
    stall: Duration,
    /// None once the digest was found right.
    hasher: Option<Hasher>,
    received: u64,
}

impl<'a> Verified<'a> {
    /// Verifies what `source` gives, which may take up to `stall` for its next bytes.
    pub(super) fn new(
        source: Source<'a>,
        side: Side,
        blob: &'a Descriptor,
        stall: Duration,
    ) -> Self {
        Self {
            source,
            side,
            blob,
            stall,
            hasher: Some(Hasher::new(blob.digest.algorithm())),
            received: 0,
        }
    }

    /// The next bytes, or none after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.hasher.is_none() {
            return Ok(None);
        }
        let chunk = self.read().await?;
        if let (Some(chunk), Some(hasher)) = (&chunk, &mut self.hasher) {
            hasher.update(chunk);
        }
        if chunk.is_none() || self.received == self.blob.size {
            self.verify().await?;
        }
        Ok(chunk)
    }

    /// Whether all bytes have come out.
    pub(super) fn is_done(&self) -> bool {
        self.hasher.is_none()
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Failure> {
        let chunk = match timeout(self.stall, self.source.next()).await {
            Ok(chunk) => chunk?,
            Err(_) => return Err(self.stalled()),
        };
        self.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.received > self.blob.size {
            return Err(self.mismatch(&format!(
                "the blob goes on after its {} bytes",
                self.blob.size
            )));
        }
        Ok(chunk)
    }

    /// Checks that nothing follows and that the digest is right.
    async fn verify(&mut self) -> Result<(), Failure> {
        if self.received < self.blob.size {
            return Err(self.mismatch(&format!(
                "the blob ended after {} of {} bytes",
                self.received, self.blob.size
            )));
        }
        while self.read().await?.is_some() {}
        let found = self.hasher.take().map(Hasher::finish);
        match found {
            Some(found) if found != self.blob.digest => {
                Err(self.mismatch(&format!("the bytes have the digest {found}")))
            }
            _ => Ok(()),
        }
    }

    fn stalled(&self) -> Failure {
        let answer = format!(
            "no byte came for {} s, after {} of {} bytes",
            self.stall.as_secs(),
            self.received,
            self.blob.size
        );
        self.failure(FailureClass::Timeout, &answer)
    }

    fn mismatch(&self, answer: &str) -> Failure {
        self.failure(FailureClass::DigestMismatch, answer)
    }

    fn failure(&self, class: FailureClass, answer: &str) -> Failure {
        Failure::new(self.side, Step::PullBlob, &self.blob.digest, class, answer)
    }
}
