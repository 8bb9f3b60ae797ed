//! Proves that what tags point at is all there.

use std::collections::BTreeSet;

use image_sync_shared::digest::{Algorithm, Digest, Hasher};
use image_sync_shared::manifest::{Descriptor, Manifest, RawManifest};
use image_sync_shared::media_type::is_foreign_layer;

use super::content::Content;
use super::store::{Store, Stored};

/// What is missing or wrong below the tags of all repositories; a sentence each.
pub(super) fn problems(store: &Store) -> Vec<String> {
    let mut problems = Vec::new();
    for repository in store.repositories() {
        for tag in store.tags(&repository).unwrap_or_default() {
            let mut walk = Walk {
                store,
                repository: &repository,
                place: format!("{repository}:{tag}"),
                seen: BTreeSet::new(),
                problems: &mut problems,
            };
            walk.manifest(&tag);
        }
    }
    problems
}

struct Walk<'a> {
    store: &'a Store,
    repository: &'a str,
    place: String,
    seen: BTreeSet<String>,
    problems: &'a mut Vec<String>,
}

impl Walk<'_> {
    fn manifest(&mut self, reference: &str) {
        let Some(stored) = self.store.manifest(self.repository, reference) else {
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
            Ok(Manifest::Image { blobs }) => blobs.iter().for_each(|blob| self.blob(blob)),
        }
    }

    fn blob(&mut self, blob: &Descriptor) {
        let expected = &blob.digest;
        let Some(content) = self.store.blob(self.repository, expected.as_str()) else {
            if !is_foreign_layer(&blob.media_type) {
                self.problem(&format!("blob {expected} is missing"));
            }
            return;
        };
        if content.len() != blob.size {
            let length = content.len();
            self.problem(&format!(
                "blob {expected} has {length} bytes, not {}",
                blob.size
            ));
        }
        if let Content::Bytes(bytes) = content {
            let found = digest_like(expected.as_str(), &bytes);
            if found != expected.as_str() {
                self.problem(&format!("blob {expected} has the digest {found}"));
            }
        }
    }

    fn problem(&mut self, text: &str) {
        self.problems.push(format!("{}: {text}", self.place));
    }
}

/// The descriptors that a manifest needs in its repository: manifests, then blobs.
pub(super) fn references(stored: &Stored) -> Result<(Vec<Descriptor>, Vec<Descriptor>), String> {
    Ok(match parse(stored)? {
        Manifest::Index { children } => (children, Vec::new()),
        Manifest::Image { mut blobs } => {
            blobs.retain(|blob| !is_foreign_layer(&blob.media_type));
            (Vec::new(), blobs)
        }
    })
}

fn parse(stored: &Stored) -> Result<Manifest, String> {
    let raw = RawManifest {
        media_type: stored.media_type.clone(),
        digest: Digest::of(&stored.bytes),
        bytes: stored.bytes.clone(),
    };
    raw.parse().map_err(|error| error.to_string())
}

/// The digest of `bytes` by the algorithm of `digest`.
pub(super) fn digest_like(digest: &str, bytes: &[u8]) -> String {
    let algorithm = if digest.starts_with("sha512:") {
        Algorithm::Sha512
    } else {
        Algorithm::Sha256
    };
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish().to_string()
}
