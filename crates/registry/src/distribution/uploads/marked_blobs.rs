//! Blobs of which something is to be remembered until their next try.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::Repository;
use image_sync_shared::panics::lock;
use image_sync_shared::run::job::Remote;

/// Blobs whose next try is to be another one than their last, each with the repository it is for.
#[derive(Debug, Default)]
pub(super) struct MarkedBlobs(Mutex<HashSet<(Repository, Digest)>>);

impl MarkedBlobs {
    pub(super) fn add(&self, target: &Remote, blob: &Digest) {
        self.set().insert((target.repository.clone(), blob.clone()));
    }

    /// Whether the blob is one of these. It is none any more.
    pub(super) fn take(&self, target: &Remote, blob: &Digest) -> bool {
        let mut set = self.set();
        !set.is_empty() && set.remove(&(target.repository.clone(), blob.clone()))
    }

    fn set(&self) -> MutexGuard<'_, HashSet<(Repository, Digest)>> {
        lock(&self.0)
    }
}
