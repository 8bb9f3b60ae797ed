//! What a blob consists of.

use bytes::Bytes;
use image_sync_shared::image::digest::{Algorithm, Digest, Hasher};

use crate::images::deterministic_bytes;

const CHUNK: usize = 256 * 1024;

/// The content of a blob.
#[derive(Clone, Debug)]
pub enum Content {
    /// Held in memory.
    Bytes(Bytes),
    /// Made while it is sent.
    Synthetic(Synthetic),
    /// Was hashed and thrown away; only its length is known.
    Discarded(u64),
}

/// Content of any length that takes no memory: one chunk again and again.
#[derive(Clone, Debug)]
pub struct Synthetic {
    chunk: Bytes,
    length: u64,
}

impl Synthetic {
    /// Content that depends on `seed` and `length` in bytes alone.
    #[must_use]
    pub fn new(seed: &str, length: u64) -> Self {
        Self {
            chunk: deterministic_bytes(seed, CHUNK),
            length,
        }
    }

    /// Its digest; this reads it all once.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let content = Content::Synthetic(self.clone());
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut at = 0;
        while at < self.length {
            let piece = content.piece(at, self.length);
            hasher.update(&piece);
            at += piece.len() as u64;
        }
        hasher.finish()
    }
}

impl Content {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Synthetic(synthetic) => synthetic.length,
            Self::Discarded(length) => *length,
        }
    }

    /// Whether it has no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some bytes from `at` on, but none from `end` on; nothing only where `at` is `end`, or where the content is gone.
    pub(crate) fn piece(&self, at: u64, end: u64) -> Bytes {
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX);
        match self {
            Self::Bytes(bytes) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                bytes.slice(at..bytes.len().min(at + wanted.min(CHUNK)))
            }
            Self::Synthetic(synthetic) => {
                let inside = usize::try_from(at % CHUNK as u64).unwrap_or_default();
                synthetic
                    .chunk
                    .slice(inside..CHUNK.min(inside.saturating_add(wanted)))
            }
            Self::Discarded(_) => Bytes::new(),
        }
    }
}
