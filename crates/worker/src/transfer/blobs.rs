//! Brings the blobs of an image to the target, with as few requests and bytes as what is known allows.

use futures_util::stream::{self, StreamExt as _};
use image_sync_shared::failure::{Failure, FailureClass, Reaction, Side};
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::reference::Repository;
use image_sync_shared::ports::transfer::registries::{Arrival, BlobCopy};
use image_sync_shared::ports::transfer::single_flight::{
    Follower, Leader, LeaderState, Part, SingleFlight,
};
use image_sync_shared::run::job::Remote;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tracing::{Instrument as _, debug, debug_span, info};

use crate::context::time_limit::TimeLimit;
use crate::decide::first_request::{FirstRequest, first_request};
use crate::decide::plan::CopyPlan;
use crate::transfer::blob_progress::BlobProgress;
use crate::transfer::read_manifests::is_missing_at_source;
use crate::transfer::requests::Requests;
use crate::transfer::target::Target;

/// Blobs of one image that wait at the same time for a permit, or for another image that sends them.
const BLOBS_WAITING: usize = 64;

/// Copies blobs of one image.
pub(crate) struct BlobCopier<'a> {
    /// The requests.
    pub(crate) requests: Requests<'a>,
    /// Where the blobs come from.
    pub(crate) source: &'a Remote,
    /// Where they go to.
    pub(crate) target: &'a Target<'a>,
    /// Blobs that are asked for or sent at the same time.
    pub(crate) concurrency: usize,
    /// Who sends which blob.
    pub(crate) single_flight: &'a dyn SingleFlight,
    /// How long the attempt may take.
    pub(crate) limit: &'a TimeLimit,
    /// Is told of each blob.
    pub(crate) progress: BlobProgress<'a>,
}

/// The right to make the first request for a blob.
struct BlobPermit<'s> {
    request: FirstRequest,
    /// The right to send it to its store.
    leader: Option<Box<dyn Leader>>,
    /// One of the permits of the image.
    _permit: SemaphorePermit<'s>,
}

impl BlobCopier<'_> {
    /// Brings all blobs, some at the same time. After a failure that may pass no further one is begun, but those under way
    /// are brought to their end: a large one need not start over. A failure for good ends all.
    pub(crate) async fn copy_all(&self, plan: &CopyPlan) -> Result<(), Failure> {
        self.progress.planned(plan.blobs());
        let permits = Semaphore::new(self.concurrency.max(1));
        // By place, since a closure over borrowed blobs would not be general enough for a spawned task.
        let copy = |place: usize| self.copy_at(place, plan, &permits);
        let mut copies = stream::iter(0..plan.blobs().count())
            .map(copy)
            .buffer_unordered(BLOBS_WAITING);
        let mut first_failure = None;
        while let Some(outcome) = copies.next().await {
            match outcome {
                // Returning drops the copies under way: their upload sessions are cancelled at the registry.
                Err(failure) if failure.class.reaction() == Reaction::Fail => return Err(failure),
                Err(failure) => {
                    // Whoever waits for a permit learns that there will be none. Who has one is not disturbed.
                    permits.close();
                    first_failure.get_or_insert(failure);
                }
                Ok(()) => {}
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    /// Copies the blob at a place among all blobs of `plan`.
    async fn copy_at(
        &self,
        place: usize,
        plan: &CopyPlan,
        permits: &Semaphore,
    ) -> Result<(), Failure> {
        match plan.blobs.get(place) {
            Some(blob) => self.copy(blob, permits).await,
            None => match plan.foreign.get(place - plan.blobs.len()) {
                Some(layer) => {
                    let copied = self.copy(layer, permits).await;
                    copied.or_else(|failure| leave_out_foreign(layer, failure))
                }
                None => Ok(()),
            },
        }
    }

    /// Sees that the target's repository has `blob`. Makes requests while it has one of `permits`, and does nothing more once
    /// they are closed.
    async fn copy(&self, blob: &Descriptor, permits: &Semaphore) -> Result<(), Failure> {
        let span = debug_span!("blob", blob = %blob.digest, size = blob.size);
        let copied = self.copy_inside_span(blob, permits);
        copied.instrument(span).await
    }

    async fn copy_inside_span(
        &self,
        blob: &Descriptor,
        permits: &Semaphore,
    ) -> Result<(), Failure> {
        let Ok(permit) = self.permit(blob, permits).await else {
            return Ok(());
        };
        let leader = permit.leader.as_deref();
        match &permit.request {
            FirstRequest::Nothing => {
                // Taken as present without a request: if the target refuses a manifest for what it refers to, this may
                // be the cause.
                self.target.rely();
                self.progress.present(blob);
                Ok(())
            }
            FirstRequest::Mount(from) => self.mount(blob, from).await,
            FirstRequest::MountFromItself => {
                let here = Some(self.target.repository());
                self.find_or_send(blob, here, leader).await
            }
            FirstRequest::Head => self.ask_and_send(blob, leader).await,
        }
    }

    /// Waits for a permit, and without one while another image sends the blob: afterwards it can be mounted, or is there.
    async fn permit<'s>(
        &'s self,
        blob: &Descriptor,
        permits: &'s Semaphore,
    ) -> Result<BlobPermit<'s>, AcquireError> {
        let mut waits = true;
        loop {
            let permit = permits.acquire().await?;
            let known = self.target.known_blob(&blob.digest);
            let request = first_request(&known);
            // A mount sends nothing, so many images may ask for one at once; one that is refused is sent by each of
            // them, which is rare.
            let sends = matches!(request, FirstRequest::Head | FirstRequest::MountFromItself);
            let mut leader = None;
            // Whoever waited in vain sends without the lead, beside the one that stands still: blobs are named by their
            // content, and either upload may be the first to end.
            if sends && waits {
                let flight = self.target.flight(&blob.digest, &known);
                match self.single_flight.join(&flight).await {
                    Part::Leader(ours) => leader = Some(ours),
                    Part::Follower(follower) => {
                        // Given back while this waits: else all permits of an image could be held by blobs that wait
                        // for another image, which waits for blobs of this one.
                        drop(permit);
                        waits = self.wait_for(follower, blob).await;
                        continue;
                    }
                }
            }
            // Another image may have ended its sending between the look at what is known and the taking of the lead: then
            // what was decided is out of date.
            if self.target.known_blob(&blob.digest) == known {
                return Ok(BlobPermit {
                    request,
                    leader,
                    _permit: permit,
                });
            }
        }
    }

    /// Says whether the leader ended. If not, it is not waited for again.
    async fn wait_for(&self, follower: Box<dyn Follower>, blob: &Descriptor) -> bool {
        let what = format!("waiting for another image to send blob {}", blob.digest);
        let _operation = self.requests.in_flight.start(Side::Target, what);
        self.limit.wait(follower.wait()).await == Some(LeaderState::Ended)
    }

    async fn mount(&self, blob: &Descriptor, from: &Repository) -> Result<(), Failure> {
        match self.send(blob, Some(from), None).await? {
            Arrival::Mounted => {
                debug!(blob = %blob.digest, %from, "mounted");
                self.target.note_mount(from, &blob.digest);
                self.progress.mounted(blob);
            }
            Arrival::Copied { bytes } => {
                self.target.note_refused_mount(from, &blob.digest);
                self.copied(blob, bytes);
            }
        }
        Ok(())
    }

    async fn ask_and_send(
        &self,
        blob: &Descriptor,
        leader: Option<&dyn Leader>,
    ) -> Result<(), Failure> {
        let target = &self.target.remote;
        if self.requests.has_blob(target, &blob.digest).await? {
            self.present(blob);
            return Ok(());
        }
        // The target said 201 to a mount of it, refused a manifest over it, and now everything is asked for.
        if self.target.was_mounted(&blob.digest) {
            info!(blob = %blob.digest, "it was said to be mounted and is not there: it is sent");
            self.target.note_pretended_mount();
        }
        self.find_or_send(blob, None, leader).await
    }

    async fn find_or_send(
        &self,
        blob: &Descriptor,
        in_repository: Option<&Repository>,
        leader: Option<&dyn Leader>,
    ) -> Result<(), Failure> {
        match self.send(blob, in_repository, leader).await? {
            // From its own repository a "mount" is how the blob was found there, so it counts as present.
            Arrival::Mounted => {
                self.target.rely_on_mount(&blob.digest);
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
        leader: Option<&dyn Leader>,
    ) -> Result<Arrival, Failure> {
        let on_bytes = |bytes| {
            self.progress.advanced(&blob.digest, bytes);
            leader.inspect(|leader| leader.advanced(bytes));
        };
        let _under_way = self.progress.start(blob);
        let target = &self.target.remote;
        let copy = BlobCopy {
            source: self.source,
            target,
            blob,
            mount_from,
            // What contradicted itself may say again that it has mounted what it does not have: the bytes are sent.
            may_mount: !self.target.is_distrusted(),
            on_bytes: &on_bytes,
        };
        let copied = self.requests.copy_blob(&copy).await;
        // A folder may have only what came since another one: then the target has the rest, be it that it mounts nothing and so
        // was not asked.
        match copied {
            Err(failure)
                if self.source.repository.host().is_none()
                    && is_missing_at_source(&failure)
                    && self.requests.has_blob(target, &blob.digest).await == Ok(true) =>
            {
                Ok(Arrival::Copied { bytes: 0 })
            }
            copied => copied,
        }
    }

    fn present(&self, blob: &Descriptor) {
        self.target.note_blob(&blob.digest);
        self.progress.present(blob);
    }

    fn copied(&self, blob: &Descriptor, bytes: u64) {
        self.target.note_blob(&blob.digest);
        self.progress.copied(&blob.digest, bytes);
    }
}

/// A foreign layer need not be in any registry: where the source does not have it, the image is copied without it, as Docker
/// does.
fn leave_out_foreign(layer: &Descriptor, failure: Failure) -> Result<(), Failure> {
    let elsewhere = !layer.urls.is_empty();
    if elsewhere && failure.side == Side::Source && failure.class == FailureClass::NotFound {
        info!(blob = %layer.digest, "left out: a foreign layer that the source does not hold");
        return Ok(());
    }
    Err(failure)
}
