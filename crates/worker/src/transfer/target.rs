//! The target of one image: what is known of it, and whether that is trusted.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::Repository;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::transfer::known_blobs::{KnownBlob, KnownBlobs};
use image_sync_shared::ports::transfer::single_flight::{BlobFlight, Store};
use image_sync_shared::run::job::Remote;

use crate::decide::plan::CopyPlan;

/// The target. What is known of it is trusted until the target contradicts it, and it is noted whether that trust was made
/// use of: only then can a refused manifest be the fault of what was taken as present.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    /// Where it is.
    pub(crate) remote: Remote,
    known: &'a dyn KnownBlobs,
    distrusted: AtomicBool,
    relied_on: AtomicBool,
    /// What the target said it has mounted.
    mounted: Mutex<HashSet<Digest>>,
}

impl<'a> Target<'a> {
    /// The target `remote`, of which `known` tells what is known.
    pub(crate) fn new(remote: Remote, known: &'a dyn KnownBlobs) -> Self {
        Self {
            remote,
            known,
            distrusted: AtomicBool::new(false),
            relied_on: AtomicBool::new(false),
            mounted: Mutex::default(),
        }
    }

    /// Its repository.
    pub(crate) fn repository(&self) -> &Repository {
        &self.remote.repository
    }

    /// Its tag was asked for: it was there, or it was not.
    pub(crate) fn met(&self, tag_there: bool) {
        self.known.met(self.repository(), tag_there);
    }

    /// What is known of a blob, which is nothing without trust.
    pub(crate) fn known_blob(&self, digest: &Digest) -> KnownBlob {
        if self.is_distrusted() {
            return KnownBlob::default();
        }
        self.known.known(self.repository(), digest)
    }

    /// Whether it is known that a manifest and all that it refers to is there, or not there: then nobody is asked. A repository
    /// that nothing else was seen in need not be.
    pub(crate) fn knows_manifest(&self, digest: &Digest) -> Option<bool> {
        // Nobody is asked, either: the answer would come from who contradicted itself, and writing a manifest again
        // does no harm.
        if self.is_distrusted() {
            return Some(false);
        }
        let known = self.known.has_manifest(self.repository(), digest);
        (known || self.known.is_new(self.repository())).then_some(known)
    }

    /// It has a blob.
    pub(crate) fn note_blob(&self, digest: &Digest) {
        self.known.note(self.repository(), digest);
    }

    /// It has a manifest and all that it refers to.
    pub(crate) fn note_manifest(&self, digest: &Digest) {
        self.known.note_manifest(self.repository(), digest);
    }

    /// A blob was mounted from another repository of its registry.
    pub(crate) fn note_mount(&self, from: &Repository, digest: &Digest) {
        self.rely_on_mount(digest);
        self.known.mounted(from);
        self.note_blob(digest);
    }

    /// A blob could not be mounted.
    pub(crate) fn note_refused_mount(&self, from: &Repository, digest: &Digest) {
        self.known.mount_refused(from, digest);
    }

    /// Its registry says of mounts that they were done, and does none.
    pub(crate) fn note_pretended_mount(&self) {
        self.known.mounts_nothing(self.repository());
    }

    /// What must not be sent there twice at the same time.
    pub(crate) fn flight(&self, digest: &Digest, known: &KnownBlob) -> BlobFlight {
        let target = self.repository();
        // Without mounts a blob in another repository is of no use to this one: only the same repository is worth the
        // wait.
        if known.refuses_mounts {
            BlobFlight::Repository(target.clone(), digest.clone())
        } else {
            BlobFlight::Store(Store::of(target), digest.clone())
        }
    }

    /// Something was taken as present without bringing it.
    pub(crate) fn rely(&self) {
        self.relied_on.store(true, Ordering::Relaxed);
    }

    /// A blob was taken as mounted because the target said so.
    pub(crate) fn rely_on_mount(&self, digest: &Digest) {
        self.rely();
        self.mounted().insert(digest.clone());
    }

    /// Whether the target said of a blob that it was mounted.
    pub(crate) fn was_mounted(&self, digest: &Digest) -> bool {
        self.mounted().contains(digest)
    }

    /// Whether something was taken as present without bringing it.
    pub(crate) fn was_relied_on(&self) -> bool {
        self.relied_on.load(Ordering::Relaxed)
    }

    /// The target contradicted what is known of it: what was known of this image is forgotten, and everything is asked for.
    pub(crate) fn distrust(&self, plan: &CopyPlan) {
        self.distrusted.store(true, Ordering::Relaxed);
        for blob in plan.blobs() {
            self.known.forget(self.repository(), &blob.digest);
        }
        for manifest in &plan.manifests {
            let digest = &manifest.digest;
            self.known.forget_manifest(self.repository(), digest);
        }
    }

    /// Whether what is known of it was contradicted.
    pub(crate) fn is_distrusted(&self) -> bool {
        self.distrusted.load(Ordering::Relaxed)
    }

    fn mounted(&self) -> MutexGuard<'_, HashSet<Digest>> {
        lock(&self.mounted)
    }
}
