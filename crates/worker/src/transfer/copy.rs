//! Copies an image: the blobs, then the manifests, then the tag.

use std::pin::pin;

use futures_util::StreamExt as _;
use image_sync_shared::failure::{Failure, FailureClass, Reaction, Side, Step};
use image_sync_shared::outcome::Action;
use tokio::sync::Semaphore;
use tracing::info;

use crate::decide::plan::CopyPlan;
use crate::decide::verdict::ResolvedTags;
use crate::transfer::at_once::at_once;
use crate::transfer::blobs::leave_out_foreign;
use crate::transfer::check_and_copy::{Attempt, Root};

/// Blobs of one image that wait at the same time for a slot, or for another image that sends them.
const BLOBS_WAITING: usize = 64;

impl Attempt<'_> {
    /// Copies what is under `root`, and writes the tag last. If the target says that something is missing that was taken as
    /// present, nothing is taken as present any more, and it is copied once again.
    pub(crate) async fn copy(&self, root: Root, tags: &ResolvedTags) -> Result<Action, Failure> {
        let image = self.pull_image(root).await?;
        if self.is_found_at_target(&image, tags).await {
            return Ok(Action::AlreadyCached);
        }
        match self.write(&image).await {
            Err(refusal) if is_refusal(&refusal) && self.memory.was_relied_on() => {
                info!(error = %refusal, "the target may have lost what was there: asking for everything");
                self.memory.doubt();
                self.forget(&image);
                let root = image.manifests.last().cloned().map(Root::Read);
                let image = self.pull_image(root.ok_or(refusal)?).await?;
                self.write(&image).await?;
            }
            written => written?,
        }
        Ok(Action::Pulled)
    }

    async fn write(&self, image: &CopyPlan) -> Result<(), Failure> {
        self.bring_blobs(image).await?;
        self.push_image(image).await
    }

    /// Brings all blobs, some at the same time. After a failure that may pass no further one is begun, but those under way
    /// are brought to their end: a large one need not start over. A failure for good ends all.
    async fn bring_blobs(&self, image: &CopyPlan) -> Result<(), Failure> {
        let slots = Semaphore::new(self.context.settings.blob_concurrency.max(1));
        let bring = |place: usize| self.bring_blob_at(place, image, &slots);
        let mut brought = pin!(at_once(BLOBS_WAITING, image.blobs().count(), bring));
        let mut first_failure = None;
        while let Some(outcome) = brought.next().await {
            match outcome {
                Err(failure) if failure.class.reaction() == Reaction::Fail => return Err(failure),
                Err(failure) => {
                    slots.close();
                    first_failure.get_or_insert(failure);
                }
                Ok(()) => {}
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    /// Brings the blob at a place among all blobs of `image`.
    async fn bring_blob_at(
        &self,
        place: usize,
        image: &CopyPlan,
        slots: &Semaphore,
    ) -> Result<(), Failure> {
        match image.blobs.get(place) {
            Some(blob) => self.bring_blob(blob, slots).await,
            None => match image.foreign.get(place - image.blobs.len()) {
                Some(layer) => {
                    let brought = self.bring_blob(layer, slots).await;
                    brought.or_else(|failure| leave_out_foreign(layer, failure))
                }
                None => Ok(()),
            },
        }
    }

    fn forget(&self, image: &CopyPlan) {
        let target = &self.target.repository;
        for blob in image.blobs() {
            self.context.blobs.forget(target, &blob.digest);
        }
        for manifest in &image.manifests {
            let digest = &manifest.digest;
            self.context.blobs.forget_manifest(target, digest);
        }
        self.tally.lock().recount();
    }
}

/// Whether the target refused a manifest in a way that something it refers to may be the cause of.
fn is_refusal(failure: &Failure) -> bool {
    let class = failure.class;
    failure.side == Side::Target
        && failure.step == Step::PushManifest
        && matches!(
            class,
            FailureClass::Invalid | FailureClass::NotFound | FailureClass::Inconsistent
        )
}
