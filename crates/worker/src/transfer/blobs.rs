//! Brings one blob to the target, with as few requests and bytes as what is known allows.

use image_sync_shared::digest::Digest;
use image_sync_shared::failure::{Failure, FailureClass, Side};
use image_sync_shared::job::JobId;
use image_sync_shared::manifest::Descriptor;
use image_sync_shared::ports::measures::BlobEnd;
use image_sync_shared::ports::progress::Progress;
use image_sync_shared::ports::registries::{Arrival, BlobCopy};
use image_sync_shared::reference::Repository;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tracing::{Instrument as _, debug, debug_span, info};

use crate::context::blob_index::{BlobFlight, Store};
use crate::context::single_flight::{Follower, Leader, LeaderState, Role};
use crate::decide::first_request::{FirstRequest, KnownBlob, first_request};
use crate::transfer::check_and_copy::Attempt;

/// The right to make the first request for a blob.
struct BlobPermit<'s> {
    request: FirstRequest,
    /// The right to send it to its store.
    leader: Option<Leader<'s, BlobFlight>>,
    /// One of the slots of the image.
    _slot: SemaphorePermit<'s>,
}

impl Attempt<'_> {
    /// Sees that the target's repository has `blob`. Makes requests while it has one of `slots`, and does nothing more once
    /// they are closed.
    pub(crate) async fn bring_blob(
        &self,
        blob: &Descriptor,
        slots: &Semaphore,
    ) -> Result<(), Failure> {
        let span = debug_span!("blob", blob = %blob.digest, size = blob.size);
        let brought = self.bring_blob_inside_span(blob, slots);
        brought.instrument(span).await
    }

    async fn bring_blob_inside_span(
        &self,
        blob: &Descriptor,
        slots: &Semaphore,
    ) -> Result<(), Failure> {
        let Ok(permit) = self.permit(blob, slots).await else {
            return Ok(());
        };
        let leader = permit.leader.as_ref();
        match &permit.request {
            FirstRequest::Nothing => {
                self.memory.rely();
                self.count_present();
                Ok(())
            }
            FirstRequest::Mount(from) => self.mount(blob, from).await,
            FirstRequest::MountFromItself => {
                let here = Some(&self.target.repository);
                self.find_or_send(blob, here, leader).await
            }
            FirstRequest::Head => self.ask_and_send(blob, leader).await,
        }
    }

    /// Waits for a slot, and without one while another image sends the blob: afterwards it can be mounted, or is there.
    async fn permit<'s>(
        &'s self,
        blob: &Descriptor,
        slots: &'s Semaphore,
    ) -> Result<BlobPermit<'s>, AcquireError> {
        let mut waits = true;
        loop {
            let slot = slots.acquire().await?;
            let known = self.known(blob);
            let request = first_request(&known);
            let sends = matches!(request, FirstRequest::Head | FirstRequest::MountFromItself);
            let mut leader = None;
            if sends && waits {
                match self
                    .context
                    .single_flight
                    .join(&self.flight_key(blob, &known))
                {
                    Role::Leader(ours) => leader = Some(ours),
                    Role::Follower(other) => {
                        drop(slot);
                        waits = self.wait_for(other, blob).await;
                        continue;
                    }
                }
            }
            // Another image may have ended its sending just before.
            if self.known(blob) == known {
                return Ok(BlobPermit {
                    request,
                    leader,
                    _slot: slot,
                });
            }
        }
    }

    /// Says whether the other ended. If not, it is not waited for again.
    async fn wait_for(&self, other: Follower, blob: &Descriptor) -> bool {
        let what = format!("waiting for another image to send blob {}", blob.digest);
        let _operation = self.requests.in_flight.start(Side::Target, what);
        self.limit.wait(other.wait()).await == Some(LeaderState::Ended)
    }

    fn known(&self, blob: &Descriptor) -> KnownBlob {
        if self.memory.is_doubted() {
            return KnownBlob::default();
        }
        let target = &self.target.repository;
        self.context.blobs.known(target, &blob.digest)
    }

    fn flight_key(&self, blob: &Descriptor, known: &KnownBlob) -> BlobFlight {
        let target = &self.target.repository;
        if known.refuses_mounts {
            BlobFlight::Repository(target.clone(), blob.digest.clone())
        } else {
            BlobFlight::Store(Store::of(target), blob.digest.clone())
        }
    }

    async fn mount(&self, blob: &Descriptor, from: &Repository) -> Result<(), Failure> {
        match self.send(blob, Some(from), None).await? {
            Arrival::Mounted => {
                debug!(blob = %blob.digest, %from, "mounted");
                self.memory.rely_on_mount(&blob.digest);
                self.context.blobs.mounted(from);
                self.note(blob);
                self.tally.lock().blobs.mounted += 1;
                self.context.ports.measures.blob_ended(BlobEnd::Mounted);
            }
            Arrival::Copied { bytes } => {
                self.context.blobs.mount_refused(from, &blob.digest);
                self.copied(blob, bytes);
            }
        }
        Ok(())
    }

    async fn ask_and_send(
        &self,
        blob: &Descriptor,
        leader: Option<&Leader<'_, BlobFlight>>,
    ) -> Result<(), Failure> {
        if self.requests.has_blob(&self.target, &blob.digest).await? {
            self.present(blob);
            return Ok(());
        }
        if self.memory.was_mounted(&blob.digest) {
            info!(blob = %blob.digest, "it was said to be mounted and is not there: it is sent");
            self.context.blobs.mounts_nothing(&self.target.repository);
        }
        self.find_or_send(blob, None, leader).await
    }

    async fn find_or_send(
        &self,
        blob: &Descriptor,
        in_repository: Option<&Repository>,
        leader: Option<&Leader<'_, BlobFlight>>,
    ) -> Result<(), Failure> {
        match self.send(blob, in_repository, leader).await? {
            Arrival::Mounted => {
                self.memory.rely_on_mount(&blob.digest);
                self.present(blob);
            }
            Arrival::Copied { bytes } => self.copied(blob, bytes),
        }
        Ok(())
    }

    async fn send(
        &self,
        blob: &Descriptor,
        mount_from: Option<&Repository>,
        leader: Option<&Leader<'_, BlobFlight>>,
    ) -> Result<Arrival, Failure> {
        let progress = self.context.ports.progress.as_ref();
        let measures = self.context.ports.measures.as_ref();
        let job = &self.job.job_id;
        let on_bytes = |bytes| {
            progress.blob_advanced(job, &blob.digest, bytes);
            measures.bytes_copied(bytes);
            leader.inspect(|leader| leader.advanced(bytes));
        };
        let _progress = BlobProgress::start(progress, job, blob);
        self.requests
            .copy_blob(&BlobCopy {
                source: &self.source,
                target: &self.target,
                blob,
                mount_from,
                may_mount: !self.memory.is_doubted(),
                on_bytes: &on_bytes,
            })
            .await
    }

    fn present(&self, blob: &Descriptor) {
        self.note(blob);
        self.count_present();
    }

    fn count_present(&self) {
        self.tally.lock().blobs.present += 1;
        self.context.ports.measures.blob_ended(BlobEnd::Present);
    }

    fn copied(&self, blob: &Descriptor, bytes: u64) {
        debug!(blob = %blob.digest, bytes, "sent");
        self.note(blob);
        self.context.ports.measures.blob_ended(BlobEnd::Copied);
        let mut tally = self.tally.lock();
        tally.blobs.copied += 1;
        tally.bytes_copied += bytes;
    }

    fn note(&self, blob: &Descriptor) {
        let target = &self.target.repository;
        self.context.blobs.note(target, &blob.digest);
    }
}

/// A blob that is shown as under way; it ends when this is dropped.
struct BlobProgress<'a> {
    progress: &'a dyn Progress,
    job: &'a JobId,
    digest: &'a Digest,
}

impl<'a> BlobProgress<'a> {
    fn start(progress: &'a dyn Progress, job: &'a JobId, blob: &'a Descriptor) -> Self {
        let digest = &blob.digest;
        progress.blob_started(job, digest, blob.size);
        Self {
            progress,
            job,
            digest,
        }
    }
}

impl Drop for BlobProgress<'_> {
    fn drop(&mut self) {
        self.progress.blob_ended(self.job, self.digest);
    }
}

/// A foreign layer need not be in any registry: where the source does not have it, the image is copied without it, as Docker
/// does.
pub(crate) fn leave_out_foreign(layer: &Descriptor, failure: Failure) -> Result<(), Failure> {
    let elsewhere = !layer.urls.is_empty();
    if elsewhere && failure.side == Side::Source && failure.class == FailureClass::NotFound {
        info!(blob = %layer.digest, "left out: a foreign layer that the source does not hold");
        return Ok(());
    }
    Err(failure)
}
