//! An upload session (OCI distribution spec, section "Pushing blobs").

use bytes::Bytes;
use image_sync_shared::image::digest::{Algorithm, Digest, Hasher};

use super::content::Content;

/// A blob while it arrives.
pub(crate) struct Upload {
    pub(crate) repository: String,
    hasher: Hasher,
    length: u64,
    kept: Option<Vec<u8>>,
    /// Whether a request was cut since the client was last told how far it came.
    pub(crate) cut: bool,
}

impl Upload {
    /// A session without a byte. If `discards`, the bytes are hashed and thrown away.
    pub(crate) fn new(repository: &str, discards: bool) -> Self {
        Self {
            repository: repository.to_owned(),
            hasher: Hasher::new(Algorithm::Sha256),
            length: 0,
            kept: (!discards).then(Vec::new),
            cut: false,
        }
    }

    pub(crate) fn push(&mut self, bytes: &Bytes) {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The value of a Range header that says what was received.
    pub(crate) fn received(&self) -> String {
        format!("0-{}", self.length.saturating_sub(1))
    }

    /// The content, or what its digest is where that is not `expected`.
    pub(crate) fn finish(self, expected: &Digest) -> Result<Content, Digest> {
        let found = match (&self.kept, expected.algorithm()) {
            (Some(bytes), Algorithm::Sha512) => {
                let mut hasher = Hasher::new(Algorithm::Sha512);
                hasher.update(bytes);
                hasher.finish()
            }
            _ => self.hasher.finish(),
        };
        if found != *expected {
            return Err(found);
        }
        Ok(match self.kept {
            Some(bytes) => Content::Bytes(bytes.into()),
            None => Content::Discarded(self.length),
        })
    }
}
