//! How the copy of a blob comes to its source: beside other copies of the same blob where that is possible, else in its turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::run::job::Remote;

use super::BlobTransfer;
use super::http_source::{BlobRead, Seated, Sharing};
use super::shared_read::{BlobKey, Lead, Seat, SharedReads, Unopened};
use crate::client::Permits;

/// One blob on its way from a source to a target.
pub(super) struct Entry<'a> {
    transfer: &'a BlobTransfer,
    source: &'a Remote,
    target: &'a Remote,
    blob: &'a Descriptor,
    /// None where it is not shared.
    key: Option<BlobKey>,
    /// Whether others were ahead, and the source took no further request.
    is_left_behind: AtomicBool,
}

impl<'a> Entry<'a> {
    pub(super) fn new(
        transfer: &'a BlobTransfer,
        source: &'a Remote,
        target: &'a Remote,
        blob: &'a Descriptor,
    ) -> Self {
        let shared = transfer.reads.as_ref();
        Self {
            transfer,
            source,
            target,
            blob,
            key: shared.and_then(|_| BlobKey::new(source, blob)),
            is_left_behind: AtomicBool::new(false),
        }
    }

    /// Waits for the permits of the copy: those of both hosts, or those of the target alone with a seat in what others read.
    pub(super) async fn enter(&self) -> (Arc<Permits>, Option<Seated>) {
        let client = &self.transfer.client;
        let Some((reads, key)) = self.shared() else {
            let permits = client.transfer_permits(self.source, self.target).await;
            return (Arc::new(permits), None);
        };
        loop {
            // A seat with others as soon as there is one, or one of its own as soon as both hosts take another request.
            let reader = tokio::select! {
                biased;
                reader = reads.joined(key) => reader,
                permits = client.transfer_permits(self.source, self.target) => {
                    match reads.begin(key, 0) {
                        Seat::Lead(lead) => return self.lead(lead, permits),
                        // Another copy has begun meanwhile: these permits are given back.
                        Seat::Joined(reader) => reader,
                    }
                }
            };
            // Nothing is held meanwhile: how long the source takes is no matter of the target's other copies.
            if !matches!(reader.opened().await, Err(Unopened::Abandoned)) {
                let permits = Arc::new(client.permit(self.target).await);
                return (permits, Some(Seated::Joined(reader)));
            }
        }
    }

    fn lead(&self, lead: Lead, permits: Permits) -> (Arc<Permits>, Option<Seated>) {
        if !lead.is_shared {
            return (Arc::new(permits), Some(Seated::Lead(lead, None)));
        }
        // The stream may outlast this copy, and counts for the source as long as it lasts.
        let of_source = Arc::new(permits.only(self.source));
        let of_target = Arc::new(permits.only(self.target));
        (of_target, Some(Seated::Lead(lead, Some(of_source))))
    }

    /// How the blob is read under `permits`.
    pub(super) fn read<'b>(&'b self, permits: &'b Permits) -> BlobRead<'b> {
        let sharing = self.shared().map(|(reads, key)| Sharing {
            reads,
            key,
            is_left_behind: &self.is_left_behind,
        });
        BlobRead {
            client: &self.transfer.client,
            folders: &self.transfer.folders,
            permits,
            remote: self.source,
            blob: self.blob,
            sharing,
        }
    }

    /// Whether a copy failed for nothing but that others were ahead. The next one reads by itself, and waits for its turn.
    pub(super) fn is_left_behind(&self) -> bool {
        self.is_left_behind.load(Ordering::Relaxed)
    }

    fn shared(&self) -> Option<(&SharedReads, &BlobKey)> {
        let shared = self.transfer.reads.as_ref().zip(self.key.as_ref());
        shared.filter(|_| !self.is_left_behind())
    }
}
