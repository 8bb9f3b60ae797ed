//! Whether an attempt trusts what this process remembers of the target.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use image_sync_shared::digest::Digest;

/// Trusts until it is told to doubt, and notes down whether trust was made use of.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    doubted: AtomicBool,
    relied_on: AtomicBool,
    /// What the target said it has mounted.
    mounted: Mutex<HashSet<Digest>>,
}

impl Memory {
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

    /// The target contradicted it: from now on everything is asked for.
    pub(crate) fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    /// Whether it was contradicted.
    pub(crate) fn is_doubted(&self) -> bool {
        self.doubted.load(Ordering::Relaxed)
    }

    fn mounted(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.mounted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
