//! Blobs of which something is to be remembered until their next try.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::Repository;
use image_sync_shared::panics::lock;
use image_sync_shared::run::job::Remote;
use lru::LruCache;

/// Blobs kept, the last ones: not every blob has a next try, and a worker runs for years.
const MAX_KEPT: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Blobs whose next try is to be another one than their last, each with the repository it is for.
#[derive(Debug)]
pub(super) struct MarkedBlobs(Mutex<LruCache<(Repository, Digest), ()>>);

impl Default for MarkedBlobs {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MAX_KEPT)))
    }
}

impl MarkedBlobs {
    pub(super) fn add(&self, target: &Remote, blob: &Digest) {
        self.kept()
            .put((target.repository.clone(), blob.clone()), ());
    }

    /// Whether the blob is one of these. It is none any more.
    pub(super) fn take(&self, target: &Remote, blob: &Digest) -> bool {
        let mut kept = self.kept();
        !kept.is_empty()
            && kept
                .pop(&(target.repository.clone(), blob.clone()))
                .is_some()
    }

    fn kept(&self) -> MutexGuard<'_, LruCache<(Repository, Digest), ()>> {
        lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::failure::Side;
    use image_sync_shared::run::job::{Access, Trust};

    use super::*;

    #[test]
    fn a_blob_is_marked_for_one_try_and_no_more_than_the_last_ones_are_kept() {
        let target = Remote {
            side: Side::Target,
            repository: "cache.example/app".parse().unwrap(),
            trust: Trust::Verified,
            access: Access::PullPush,
        };
        let blob = |number: usize| Digest::of(&number.to_be_bytes());
        let marked = MarkedBlobs::default();
        let many = 2 * MAX_KEPT.get();
        for number in 0..many {
            marked.add(&target, &blob(number));
        }
        assert_eq!(marked.kept().len(), MAX_KEPT.get());
        assert!(!marked.take(&target, &blob(0)));
        assert!(marked.take(&target, &blob(many - 1)));
        assert!(!marked.take(&target, &blob(many - 1)));
    }
}
