//! What would be copied: nothing is written to find out.

use std::pin::pin;

use futures_util::StreamExt as _;
use image_sync_shared::failure::Failure;
use image_sync_shared::outcome::{Action, WouldCopy};

use crate::decide::verdict::ResolvedTags;
use crate::transfer::at_once::at_once;
use crate::transfer::check_and_copy::{Attempt, Root};

impl Attempt<'_> {
    /// Reads the manifests and asks for each blob.
    pub(crate) async fn tell_what_is_missing(
        &self,
        root: Root,
        tags: &ResolvedTags,
    ) -> Result<Action, Failure> {
        let image = self.pull_image(root).await?;
        if self.is_found_at_target(&image, tags).await {
            return Ok(Action::AlreadyCached);
        }
        let manifests = image
            .manifests
            .iter()
            .map(|manifest| manifest.bytes.len() as u64);
        let mut would_copy = WouldCopy {
            blobs: 0,
            bytes: manifests.sum(),
        };
        let blobs: Vec<_> = image.blobs().collect();
        let ask = async |place: usize| -> Result<_, Failure> {
            let blob = blobs[place];
            let there = self.requests.has_blob(&self.target, &blob.digest).await?;
            Ok((there, blob.size))
        };
        let limit = self.context.settings.blob_concurrency;
        let mut answers = pin!(at_once(limit, blobs.len(), ask));
        while let Some(answer) = answers.next().await {
            let (there, size) = answer?;
            let mut tally = self.tally.lock();
            if there {
                tally.blobs.present += 1;
            } else {
                would_copy.blobs += 1;
                would_copy.bytes = would_copy.bytes.saturating_add(size);
            }
        }
        self.tally.lock().would_copy = Some(would_copy);
        Ok(Action::Skipped)
    }
}
