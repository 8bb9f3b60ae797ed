//! Proves that what a tag points at is all there.

use std::collections::BTreeSet;

use bytes::Bytes;
use image_sync_shared::image::digest::{Algorithm, Digest, Hasher};
use image_sync_shared::image::manifest::{Descriptor, Manifest, RawManifest};

/// A repository or layout folder that is looked into.
pub(crate) trait RepositoryContent {
    /// The manifest that a tag or digest names, and the digest that it is held under.
    fn manifest(&self, reference: &str) -> Option<StoredManifest>;

    /// The blob of this digest.
    fn blob(&self, digest: &str) -> Option<KnownBlob>;
}

/// A manifest as it is held.
#[derive(Clone, Debug)]
pub(crate) struct StoredManifest {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) bytes: Bytes,
}

/// As much of a blob as is known.
pub(crate) enum KnownBlob {
    Bytes(Bytes),
    Length(u64),
}

/// What is missing or wrong below a tag; a sentence each, which begins with `place`.
pub(crate) fn problems(content: &dyn RepositoryContent, place: &str, tag: &str) -> Vec<String> {
    let mut walk = Walk {
        content,
        place,
        seen: BTreeSet::new(),
        problems: Vec::new(),
    };
    walk.manifest(tag);
    walk.problems
}

struct Walk<'a> {
    content: &'a dyn RepositoryContent,
    place: &'a str,
    seen: BTreeSet<String>,
    problems: Vec<String>,
}

impl Walk<'_> {
    fn manifest(&mut self, reference: &str) {
        let Some(stored) = self.content.manifest(reference) else {
            self.problem(&format!("manifest {reference} is missing"));
            return;
        };
        if !self.seen.insert(stored.digest.clone()) {
            return;
        }
        let found = digest_like(&stored.digest, &stored.bytes);
        if found != stored.digest {
            self.problem(&format!(
                "manifest {} has the digest {found}",
                stored.digest
            ));
        }
        match parse(&stored) {
            Err(error) => self.problem(&error),
            Ok(Manifest::Index { children }) => {
                for child in children {
                    self.manifest(child.digest.as_str());
                }
            }
            Ok(Manifest::Image { blobs, foreign }) => {
                for blob in &blobs {
                    self.blob(blob, true);
                }
                for layer in &foreign {
                    self.blob(layer, false);
                }
            }
        }
    }

    fn blob(&mut self, blob: &Descriptor, needed: bool) {
        let (expected, size) = (&blob.digest, blob.size);
        let (length, bytes) = match self.content.blob(expected.as_str()) {
            Some(KnownBlob::Bytes(bytes)) => (bytes.len() as u64, Some(bytes)),
            Some(KnownBlob::Length(length)) => (length, None),
            None if !needed => return,
            None => return self.problem(&format!("blob {expected} is missing")),
        };
        if length != size {
            self.problem(&format!("blob {expected} has {length} bytes, not {size}"));
        }
        let found = bytes.map(|bytes| digest_like(expected.as_str(), &bytes));
        if let Some(found) = found.filter(|found| found != expected.as_str()) {
            self.problem(&format!("blob {expected} has the digest {found}"));
        }
    }

    fn problem(&mut self, text: &str) {
        self.problems.push(format!("{}: {text}", self.place));
    }
}

/// The descriptors that a manifest needs beside it: manifests, then blobs.
pub(crate) fn references(
    stored: &StoredManifest,
) -> Result<(Vec<Descriptor>, Vec<Descriptor>), String> {
    Ok(match parse(stored)? {
        Manifest::Index { children } => (children, Vec::new()),
        Manifest::Image { blobs, .. } => (Vec::new(), blobs),
    })
}

fn parse(stored: &StoredManifest) -> Result<Manifest, String> {
    let raw = RawManifest {
        media_type: stored.media_type.clone(),
        digest: Digest::of(&stored.bytes),
        bytes: stored.bytes.clone(),
    };
    raw.parse().map_err(|error| error.to_string())
}

/// The digest of `bytes` by the algorithm of `digest`, or SHA-256 where it has none.
pub(crate) fn digest_like(digest: &str, bytes: &[u8]) -> String {
    let algorithm = if digest.starts_with("sha512:") {
        Algorithm::Sha512
    } else {
        Algorithm::Sha256
    };
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish().to_string()
}
