//! Where this process knows blobs to be at the targets. Bounded, so it does not grow with the catalog; forgetting costs a
//! request.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::Repository;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::transfer::known_blobs::{KnownBlob, KnownBlobs};
use image_sync_shared::ports::transfer::single_flight::Store;
use lru::LruCache;
use tokio::time::Instant;

const BLOBS: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();
const REPOSITORIES: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();
/// Repositories that are remembered for one blob.
const PLACES: usize = 8;
/// How long an observation counts. Registries collect what no tag leads to any more, some of them after an hour.
const COUNTS_FOR: Duration = Duration::from_secs(30 * 60);

/// What this process has seen of targets itself.
#[derive(Debug)]
pub struct BlobIndex(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// The repositories that have a blob, and when that was seen: the latest last.
    blobs: LruCache<(Store, Digest), Vec<(Repository, Instant)>>,
    /// The repositories that have a manifest and all that it refers to, and when that was seen. A blob of the same bytes is
    /// no such manifest.
    manifests: LruCache<(Repository, Digest), Instant>,
    /// Whether a repository was new when it was first met, and nothing else was seen in it since.
    new_repositories: LruCache<Repository, bool>,
    /// Whether a registry mounts, once that was seen.
    mounts: HashMap<Store, bool>,
}

impl Default for BlobIndex {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            blobs: LruCache::new(BLOBS),
            manifests: LruCache::new(BLOBS),
            new_repositories: LruCache::new(REPOSITORIES),
            mounts: HashMap::new(),
        }))
    }
}

impl BlobIndex {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }
}

impl KnownBlobs for BlobIndex {
    fn met(&self, repository: &Repository, tag_there: bool) {
        let mut inner = self.inner();
        // A missing tag makes a repository new only where nothing is known of it yet. That others write to it later
        // costs requests and no truth: what is taken for missing is asked for with a mount, or written once more.
        if tag_there {
            inner.new_repositories.put(repository.clone(), false);
        } else {
            inner
                .new_repositories
                .get_or_insert(repository.clone(), || true);
        }
    }

    fn known(&self, target: &Repository, digest: &Digest) -> KnownBlob {
        let store = Store::of(target);
        let mut inner = self.inner();
        let refuses_mounts = inner.mounts.get(&store) == Some(&false);
        let new_repository = inner.new_repositories.get(target) == Some(&true);
        let places = inner.blobs.get(&(store, digest.clone()));
        // The latest first: where a blob was seen last it is the least likely to have been collected meanwhile.
        let places = places.map_or(&[][..], Vec::as_slice).iter().rev();
        let mut places = places.filter(|(_, seen)| seen.elapsed() < COUNTS_FOR);
        KnownBlob {
            here: places.clone().any(|(place, _)| place == target),
            elsewhere: places
                .find(|(place, _)| place != target)
                .map(|(place, _)| place.clone()),
            new_repository,
            refuses_mounts,
        }
    }

    fn has_manifest(&self, repository: &Repository, digest: &Digest) -> bool {
        let key = (repository.clone(), digest.clone());
        let mut inner = self.inner();
        let seen = inner.manifests.get(&key);
        seen.is_some_and(|seen| seen.elapsed() < COUNTS_FOR)
    }

    fn note_manifest(&self, repository: &Repository, digest: &Digest) {
        let key = (repository.clone(), digest.clone());
        self.inner().manifests.put(key, Instant::now());
    }

    fn forget_manifest(&self, repository: &Repository, digest: &Digest) {
        let key = (repository.clone(), digest.clone());
        self.inner().manifests.pop(&key);
    }

    fn is_new(&self, repository: &Repository) -> bool {
        self.inner().new_repositories.get(repository) == Some(&true)
    }

    fn note(&self, repository: &Repository, digest: &Digest) {
        let key = (Store::of(repository), digest.clone());
        let mut inner = self.inner();
        let places = inner.blobs.get_or_insert_mut(key, Vec::new);
        places.retain(|(place, _)| place != repository);
        if places.len() == PLACES {
            places.remove(0);
        }
        places.push((repository.clone(), Instant::now()));
    }

    fn forget(&self, repository: &Repository, digest: &Digest) {
        let key = (Store::of(repository), digest.clone());
        if let Some(places) = self.inner().blobs.get_mut(&key) {
            places.retain(|(place, _)| place != repository);
        }
    }

    fn mounted(&self, repository: &Repository) {
        self.inner().mounts.insert(Store::of(repository), true);
    }

    fn mount_refused(&self, from: &Repository, digest: &Digest) {
        // It may be the observation that was wrong, and not the registry. So one refusal counts against that place, and
        // against the registry only as long as no mount was ever seen to work there.
        self.forget(from, digest);
        if let store @ Store::Registry(_) = Store::of(from) {
            self.inner().mounts.entry(store).or_insert(false);
        }
    }

    fn mounts_nothing(&self, repository: &Repository) {
        // Also where mounts seemed to work before: those too were only said to be done.
        if let store @ Store::Registry(_) = Store::of(repository) {
            self.inner().mounts.insert(store, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(text: &str) -> Repository {
        text.parse().unwrap()
    }

    fn blob() -> Digest {
        Digest::of(b"blob")
    }

    #[test]
    fn tells_here_from_elsewhere() {
        let index = BlobIndex::default();
        let (here, other) = (
            repository("cache.test/here"),
            repository("cache.test/other"),
        );
        assert_eq!(index.known(&here, &blob()), KnownBlob::default());
        index.note(&other, &blob());
        index.note(&repository("elsewhere.test/other"), &blob());
        let known = index.known(&here, &blob());
        assert_eq!((known.here, known.elsewhere), (false, Some(other.clone())));
        index.note(&here, &blob());
        assert!(index.known(&here, &blob()).here);
        index.forget(&here, &blob());
        assert!(!index.known(&here, &blob()).here);
        let folders = (repository("oci:/a/one"), repository("oci:/b/two"));
        index.note(&folders.0, &blob());
        assert_eq!(index.known(&folders.1, &blob()).elsewhere, Some(folders.0));
    }

    #[test]
    fn a_blob_is_no_manifest_although_the_bytes_are_the_same() {
        let index = BlobIndex::default();
        let here = repository("oci:/a/here");
        index.note(&here, &blob());
        assert!(!index.has_manifest(&here, &blob()));
        index.note_manifest(&here, &blob());
        assert!(index.has_manifest(&here, &blob()));
        assert!(!index.has_manifest(&repository("oci:/a/other"), &blob()));
        index.forget_manifest(&here, &blob());
        assert!(!index.has_manifest(&here, &blob()));
        assert!(index.known(&here, &blob()).here);
    }

    #[test]
    fn a_repository_is_new_until_something_else_is_seen_in_it() {
        let index = BlobIndex::default();
        let here = repository("cache.test/here");
        index.met(&here, false);
        index.met(&here, false);
        assert!(index.known(&here, &blob()).new_repository);
        index.met(&here, true);
        index.met(&here, false);
        assert!(!index.known(&here, &blob()).new_repository);
    }

    #[test]
    fn only_a_registry_that_never_mounted_is_taken_to_refuse() {
        let index = BlobIndex::default();
        let (here, other) = (
            repository("cache.test/here"),
            repository("cache.test/other"),
        );
        index.note(&other, &blob());
        index.mounted(&here);
        index.mount_refused(&other, &blob());
        let known = index.known(&here, &blob());
        assert_eq!((known.refuses_mounts, known.elsewhere), (false, None));
        let (stubborn, from) = (repository("stubborn.test/a"), repository("stubborn.test/b"));
        index.mount_refused(&from, &blob());
        assert!(index.known(&stubborn, &blob()).refuses_mounts);
        let folder = repository("oci:/a/one");
        index.mount_refused(&folder, &blob());
        assert!(!index.known(&folder, &blob()).refuses_mounts);
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_observation_does_not_count() {
        let index = BlobIndex::default();
        let here = repository("cache.test/here");
        index.note(&here, &blob());
        tokio::time::advance(COUNTS_FOR / 2).await;
        assert!(index.known(&here, &blob()).here);
        tokio::time::advance(COUNTS_FOR / 2).await;
        assert!(!index.known(&here, &blob()).here);
        let other = repository("cache.test/other");
        assert_eq!(index.known(&other, &blob()).elsewhere, None);
    }

    #[test]
    fn few_repositories_of_a_blob_are_remembered() {
        let index = BlobIndex::default();
        for number in 0..20 {
            index.note(&repository(&format!("cache.test/r{number}")), &blob());
        }
        assert!(!index.known(&repository("cache.test/r0"), &blob()).here);
        assert!(index.known(&repository("cache.test/r19"), &blob()).here);
        let places = index
            .inner()
            .blobs
            .iter()
            .map(|(_, places)| places.len())
            .sum::<usize>();
        assert_eq!(places, PLACES);
    }
}
