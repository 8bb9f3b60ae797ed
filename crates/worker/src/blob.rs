//! Brings one blob to the target, with as few requests and bytes as what is known allows.

use image_sync_shared::digest::Digest;
use image_sync_shared::failure::{Failure, FailureClass, Side};
use image_sync_shared::manifest::Descriptor;
use image_sync_shared::media_type;
use image_sync_shared::ports::registries::{Arrival, BlobCopy};
use image_sync_shared::reference::Repository;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tracing::{debug, info};

use crate::attempt::Attempt;
use crate::blob_index::Store;
use crate::flights::{Flight, Other, Turn};
use crate::known::{FirstRequest, Known, first_request};

/// What must not be sent twice at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FlightKey {
    /// A blob to a store within which it can be mounted afterwards.
    Store(Store, Digest),
    /// A blob to a repository of a registry that does not mount.
    Repository(Repository, Digest),
}

/// The right to make the first request for a blob.
struct MyTurn<'s> {
    request: FirstRequest,
    /// The right to send it to its store.
    _flight: Option<Flight<'s, FlightKey>>,
    /// One of the slots of the image.
    _slot: SemaphorePermit<'s>,
}

impl Attempt<'_> {
    /// Sees that the target's repository has `blob`.
    /// Makes requests while it has one of `slots`, and does nothing once they are closed.
    pub(crate) async fn bring_blob(
        &self,
        blob: &Descriptor,
        slots: &Semaphore,
    ) -> Result<(), Failure> {
        let Ok(turn) = self.turn(blob, slots).await else {
            return Ok(());
        };
        let outcome = match turn.request {
            FirstRequest::Nothing => {
                self.memory.rely();
                self.present(blob);
                Ok(())
            }
            FirstRequest::Mount(from) => self.mount(blob, &from).await,
            FirstRequest::MountFromItself => {
                self.find_or_send(blob, Some(&self.target.repository)).await
            }
            FirstRequest::Head => self.ask_and_send(blob).await,
        };
        outcome.or_else(|failure| leave_out_foreign(blob, failure))
    }

    /// Waits for a slot, and without one while another image sends the blob: afterwards it can be mounted, or is there.
    async fn turn<'s>(
        &'s self,
        blob: &Descriptor,
        slots: &'s Semaphore,
    ) -> Result<MyTurn<'s>, AcquireError> {
        loop {
            let slot = slots.acquire().await?;
            let known = self.known(blob);
            let request = first_request(&known);
            let sends = !matches!(request, FirstRequest::Nothing | FirstRequest::Mount(_));
            let flight = if sends {
                match self.workshop.flights.take(&self.flight_key(blob, &known)) {
                    Turn::Mine(flight) => Some(flight),
                    Turn::Other(other) => {
                        drop(slot);
                        self.wait_for(other, blob).await;
                        continue;
                    }
                }
            } else {
                None
            };
            // Another image may have ended its sending just before.
            if self.known(blob) == known {
                return Ok(MyTurn {
                    request,
                    _flight: flight,
                    _slot: slot,
                });
            }
        }
    }

    async fn wait_for(&self, other: Other, blob: &Descriptor) {
        let what = format!("waiting for another image to send blob {}", blob.digest);
        let _activity = self.calls.doing.start(Side::Target, what);
        other.ended().await;
    }

    fn known(&self, blob: &Descriptor) -> Known {
        if self.memory.is_doubted() {
            return Known::default();
        }
        let target = &self.target.repository;
        self.workshop.blobs.known(target, &blob.digest)
    }

    fn flight_key(&self, blob: &Descriptor, known: &Known) -> FlightKey {
        let target = &self.target.repository;
        if known.refuses_mounts {
            FlightKey::Repository(target.clone(), blob.digest.clone())
        } else {
            FlightKey::Store(Store::of(target), blob.digest.clone())
        }
    }

    async fn mount(&self, blob: &Descriptor, from: &Repository) -> Result<(), Failure> {
        match self.send(blob, Some(from)).await? {
            Arrival::Mounted => {
                debug!(blob = %blob.digest, %from, "mounted");
                self.workshop.blobs.mounted(from);
                self.note(blob);
                self.ledger.account().blobs.mounted += 1;
            }
            Arrival::Copied { bytes } => {
                self.workshop.blobs.mount_refused(from, &blob.digest);
                self.copied(blob, bytes);
            }
        }
        Ok(())
    }

    async fn ask_and_send(&self, blob: &Descriptor) -> Result<(), Failure> {
        if self.calls.has_blob(&self.target, &blob.digest).await? {
            self.present(blob);
            return Ok(());
        }
        self.find_or_send(blob, None).await
    }

    async fn find_or_send(
        &self,
        blob: &Descriptor,
        in_repository: Option<&Repository>,
    ) -> Result<(), Failure> {
        match self.send(blob, in_repository).await? {
            Arrival::Mounted => self.present(blob),
            Arrival::Copied { bytes } => self.copied(blob, bytes),
        }
        Ok(())
    }

    async fn send(
        &self,
        blob: &Descriptor,
        mount_from: Option<&Repository>,
    ) -> Result<Arrival, Failure> {
        let progress = self.workshop.ports.progress.as_ref();
        let job = &self.job.job_id;
        let on_bytes = |bytes| progress.blob_advanced(job, &blob.digest, bytes);
        progress.blob_started(job, &blob.digest, blob.size);
        let arrival = self
            .calls
            .copy_blob(&BlobCopy {
                source: &self.source,
                target: &self.target,
                blob,
                mount_from,
                on_bytes: &on_bytes,
            })
            .await;
        progress.blob_ended(job, &blob.digest);
        arrival
    }

    fn present(&self, blob: &Descriptor) {
        self.note(blob);
        self.ledger.account().blobs.present += 1;
    }

    fn copied(&self, blob: &Descriptor, bytes: u64) {
        debug!(blob = %blob.digest, bytes, "sent");
        self.note(blob);
        let mut account = self.ledger.account();
        account.blobs.copied += 1;
        account.bytes_copied += bytes;
    }

    fn note(&self, blob: &Descriptor) {
        let target = &self.target.repository;
        self.workshop.blobs.note(target, &blob.digest);
    }
}

/// A foreign layer need not be in any registry: where the source does not have it, the image is copied without it, as Docker
/// does.
fn leave_out_foreign(blob: &Descriptor, failure: Failure) -> Result<(), Failure> {
    let foreign = media_type::is_foreign_layer(&blob.media_type) && !blob.urls.is_empty();
    if foreign && failure.side == Side::Source && failure.class == FailureClass::NotFound {
        info!(blob = %blob.digest, "left out: a foreign layer that the source does not hold");
        return Ok(());
    }
    Err(failure)
}
