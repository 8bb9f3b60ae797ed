//! What is known of an attempt, for its result: filled as the work goes on, so that a failed attempt tells how far it came.

use std::sync::{Mutex, MutexGuard, PoisonError};

use image_sync_shared::digest::Digest;
use image_sync_shared::outcome::{BlobCounts, WouldCopy};

/// What an attempt found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// The digest of the source's tag.
    pub(crate) remote: Option<Digest>,
    /// The digest that the target's tag had at the check.
    pub(crate) cached: Option<Digest>,
    /// The digest that the target's tag has to have.
    pub(crate) expected: Option<Digest>,
    /// What happened to the blobs.
    pub(crate) blobs: BlobCounts,
    /// Bytes of blobs that were sent.
    pub(crate) bytes_copied: u64,
    /// What a dry run found missing.
    pub(crate) would_copy: Option<WouldCopy>,
}

/// An [`Account`] that the blobs of an image write to at the same time.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Account>);

impl Ledger {
    /// The account, for a moment: no await may come before it is dropped.
    pub(crate) fn account(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
