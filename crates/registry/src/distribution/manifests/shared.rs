//! Manifests of sources that are read once for several targets.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};

use image_sync_shared::failure::{Failure, Side};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::RawManifest;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::panics::lock;
use image_sync_shared::run::job::Remote;
use lru::LruCache;

use crate::single_flight::{Flight, SingleFlight};

/// How many bytes the manifests that are kept may have together.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// How many are kept.
const MAX_KEPT: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// A manifest by its digest, as it is read under one limit: under another one the same bytes may be too many.
type Key = (Remote, Digest, usize);

/// Manifests that are being read, and those that were read last. A clone shares them.
#[derive(Clone)]
pub(in crate::distribution) struct SharedManifests(Arc<Mutex<Kept>>);

struct Kept {
    manifests: LruCache<Key, Arc<SingleFlight<RawManifest, Failure>>>,
    bytes: usize,
}

impl SharedManifests {
    /// Nothing yet.
    pub(in crate::distribution) fn new() -> Self {
        Self(Arc::new(Mutex::new(Kept {
            manifests: LruCache::new(MAX_KEPT),
            bytes: 0,
        })))
    }

    /// The manifest as `read` reads it, or as another caller did for whom it was read at the same time or shortly before. Bytes that
    /// have a digest do not change, unlike what a tag stands for: that is always read.
    pub(super) async fn read(
        &self,
        at: &Remote,
        reference: &Reference,
        limit: usize,
        read: impl Future<Output = Result<RawManifest, Failure>>,
    ) -> Result<RawManifest, Failure> {
        let (Side::Source, Reference::Digest(digest)) = (at.side, reference) else {
            return read.await;
        };
        let key = (at.clone(), digest.clone(), limit);
        let flight = self.kept().flight(&key);
        let leader = match flight.join(|_| true).await {
            Flight::Known(manifest) => return Ok(manifest),
            // It would go no other way for this caller, who makes it again as it sees fit.
            Flight::Failed(failure) => return Err(failure),
            Flight::Leader(leader) => leader,
        };
        match read.await {
            Ok(manifest) => {
                leader.found(manifest.clone());
                self.kept().found(&key, manifest.bytes.len());
                Ok(manifest)
            }
            Err(failure) => {
                leader.failed(&failure);
                Err(failure)
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.0)
    }
}

impl Kept {
    fn flight(&mut self, key: &Key) -> Arc<SingleFlight<RawManifest, Failure>> {
        if let Some(known) = self.manifests.get(key) {
            return Arc::clone(known);
        }
        let new = Arc::default();
        let oldest = self.manifests.push(key.clone(), Arc::clone(&new));
        self.forgot(oldest.map(|(_, oldest)| oldest));
        new
    }

    /// A manifest of so many bytes was read.
    fn found(&mut self, key: &Key, bytes: usize) {
        // Where it was pushed out meanwhile, nobody finds it any more.
        if !self.manifests.contains(key) {
            return;
        }
        self.bytes += bytes;
        while self.bytes > MAX_BYTES
            && let Some((_, oldest)) = self.manifests.pop_lru()
        {
            self.forgot(Some(oldest));
        }
    }

    fn forgot(&mut self, flight: Option<Arc<SingleFlight<RawManifest, Failure>>>) {
        let manifest = flight.and_then(|flight| flight.peek());
        let bytes = manifest.map_or(0, |manifest| manifest.bytes.len());
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
