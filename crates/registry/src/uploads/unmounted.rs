//! Blobs that are sent because asking for a mount went wrong.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use image_sync_shared::digest::Digest;
use image_sync_shared::job::Remote;
use image_sync_shared::reference::Repository;

/// Blobs whose last mount went wrong at the registry, each with the repository it was for: the next try is without one, as it
/// may be the mount alone that the registry cannot do.
#[derive(Debug, Default)]
pub(super) struct Unmounted(Mutex<HashSet<(Repository, Digest)>>);

impl Unmounted {
    pub(super) fn add(&self, target: &Remote, blob: &Digest) {
        self.set().insert((target.repository.clone(), blob.clone()));
    }

    /// Whether the blob is one of these. It is none any more.
    pub(super) fn take(&self, target: &Remote, blob: &Digest) -> bool {
        let mut set = self.set();
        !set.is_empty() && set.remove(&(target.repository.clone(), blob.clone()))
    }

    fn set(&self) -> MutexGuard<'_, HashSet<(Repository, Digest)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
