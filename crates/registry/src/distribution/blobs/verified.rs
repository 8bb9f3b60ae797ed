//! A blob that is hashed while it is read, and whose last bytes come out only once its digest is right.

mod standstill;

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::{Digest, Hasher};
use image_sync_shared::image::manifest::Descriptor;

use super::source::Source;

use crate::http::body::encoding;
pub(super) use standstill::Standstill;

/// The bytes of a blob, of which nobody gets all unless they have its digest and size.
pub(super) struct VerifiedBlob<'a> {
    source: Source<'a>,
    side: Side,
    blob: &'a Descriptor,
    standstill: Standstill,
    /// How long its source may give nothing.
    stall: Duration,
    /// None once the digest was found right.
    hasher: Option<Hasher>,
    /// How many bytes have come out.
    position: u64,
    /// Bytes that have come in since.
    pending: Bytes,
}

/// A place in a blob, and what all before it hash to: from here on the blob can be read again.
#[derive(Clone)]
pub(super) struct Checkpoint {
    pub(super) position: u64,
    hasher: Hasher,
}

impl Checkpoint {
    /// The start of a blob.
    pub(super) fn start(blob: &Descriptor) -> Self {
        Self {
            position: 0,
            hasher: Hasher::new(blob.digest.algorithm()),
        }
    }
}

impl<'a> VerifiedBlob<'a> {
    /// Verifies what `source` gives from `place` on, which may take up to `stall` for its next bytes.
    pub(super) fn new(
        source: Source<'a>,
        side: Side,
        blob: &'a Descriptor,
        stall: Duration,
        checkpoint: Checkpoint,
    ) -> Self {
        Self {
            source,
            side,
            blob,
            standstill: Standstill::of(side, stall),
            stall,
            hasher: Some(checkpoint.hasher),
            position: checkpoint.position,
            pending: Bytes::new(),
        }
    }

    /// The next bytes, or none after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        self.next_within(u64::MAX).await
    }

    /// The next bytes, `limit` at most, or none after the last.
    pub(super) async fn next_within(&mut self, limit: u64) -> Result<Option<Bytes>, Failure> {
        if self.hasher.is_none() {
            return Ok(None);
        }
        let mut chunk = match std::mem::take(&mut self.pending) {
            pending if pending.is_empty() => self.read().await?,
            pending => Some(pending),
        };
        if let (Some(chunk), Some(hasher)) = (&mut chunk, &mut self.hasher) {
            let within = usize::try_from(limit).unwrap_or(usize::MAX);
            self.pending = chunk.split_off(within.min(chunk.len()));
            hasher.update(chunk);
            self.position += chunk.len() as u64;
        }
        // Before the last bytes are handed out: an upload cannot end without them.
        if chunk.is_none() || self.position == self.blob.size {
            self.verify().await?;
        }
        Ok(chunk)
    }

    /// Its digest, as it is to be.
    pub(super) fn digest(&self) -> &Digest {
        &self.blob.digest
    }

    /// How many bytes have come out.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Where it is; none once all bytes have come out.
    pub(super) fn checkpoint(&self) -> Option<Checkpoint> {
        Some(Checkpoint {
            position: self.position,
            hasher: self.hasher.clone()?,
        })
    }

    /// Whether all bytes have come out.
    pub(super) fn is_done(&self) -> bool {
        self.hasher.is_none()
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Failure> {
        let came = {
            let next = pin!(self.source.next());
            self.standstill.within(&self.blob.digest, next).await
        };
        let chunk = match came {
            Ok(chunk) => chunk?,
            Err(_) => return Err(self.stalled()),
        };
        let came = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.position + came > self.blob.size {
            return Err(self.mismatch(&format!(
                "the blob goes on after its {} bytes",
                self.blob.size
            )));
        }
        Ok(chunk)
    }

    /// Checks that nothing follows and that the digest is right.
    async fn verify(&mut self) -> Result<(), Failure> {
        if self.position < self.blob.size {
            return Err(self.mismatch(&format!(
                "the blob ended after {} of {} bytes",
                self.position, self.blob.size
            )));
        }
        // To the very end: what still comes is too much, as `read` finds, and a connection that was read to its end
        // serves again.
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
            "no byte came for {:?}, after {} of {} bytes",
            self.stall, self.position, self.blob.size
        );
        self.failure(FailureClass::Timeout, &answer)
    }

    fn mismatch(&self, answer: &str) -> Failure {
        let (class, answer) = encoding::explained(self.source.encoding().as_deref(), answer);
        self.failure(class, &answer)
    }

    fn failure(&self, class: FailureClass, answer: &str) -> Failure {
        self.source.distrust();
        Failure::new(self.side, Step::PullBlob, &self.blob.digest, class, answer)
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::image::digest::Digest;
    use image_sync_shared::image::reference::Repository;
    use image_sync_shared::run::job::{Access, Remote, Trust};
    use image_sync_testkit::images::{Blob, deterministic_bytes};
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What comes out of a blob whose file has `content`: how many bytes, and how it ends.
    async fn read(blob: &Descriptor, content: &[u8]) -> (u64, Result<(), FailureClass>) {
        let scratch = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(scratch.path(), content).unwrap();
        let remote = Remote {
            side: Side::Source,
            repository: Repository::Folder(scratch.path().to_owned()),
            trust: Trust::Verified,
            access: Access::Pull,
        };
        let source = Source::Folder {
            remote: &remote,
            blob,
            file: tokio::fs::File::open(scratch.path())
                .await
                .unwrap()
                .take(u64::MAX),
        };
        let (stall, start) = (Duration::from_secs(60), Checkpoint::start(blob));
        let mut verified = VerifiedBlob::new(source, Side::Source, blob, stall, start);
        let mut out = 0;
        loop {
            match verified.next().await {
                Ok(Some(piece)) => out += piece.len() as u64,
                Ok(None) => return (out, Ok(())),
                Err(failure) => return (out, Err(failure.class)),
            }
        }
    }

    #[tokio::test]
    async fn right_bytes_come_out_whole() {
        for length in [0, 1, 1_000_000] {
            let blob = Blob::new("", deterministic_bytes("a", length));
            let read = read(&blob.descriptor(), &blob.bytes).await;
            assert_eq!(read, (length as u64, Ok(())));
        }
    }

    #[tokio::test]
    async fn the_last_of_wrong_bytes_never_come_out() {
        for length in [0, 1, 1_000_000] {
            let bytes = deterministic_bytes("a", length);
            let mut blob = Blob::new("", bytes.clone()).descriptor();
            blob.digest = Digest::of(b"other");
            let (out, end) = read(&blob, &bytes).await;
            assert!(out < length.max(1) as u64, "{out} of {length}");
            assert_eq!(end, Err(FailureClass::DigestMismatch));
        }
    }

    #[tokio::test]
    async fn nothing_comes_out_beyond_the_size() {
        let bytes = deterministic_bytes("a", 1_000_000);
        for difference in [-1, 1] {
            let mut blob = Blob::new("", bytes.clone()).descriptor();
            blob.size = blob.size.saturating_add_signed(difference);
            let (out, end) = read(&blob, &bytes).await;
            assert!(out <= blob.size, "{out}");
            assert_eq!(end, Err(FailureClass::DigestMismatch));
        }
    }
}
