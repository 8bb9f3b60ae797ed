//! What would be copied: nothing is written to find out.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use image_sync_shared::failure::Failure;
use image_sync_shared::run::job::Remote;
use image_sync_shared::run::outcome::WouldCopy;

use crate::decide::plan::CopyPlan;
use crate::decide::tally::SharedTally;
use crate::transfer::requests::Requests;

/// Asks `target` for each blob of `plan`, for some of them at the same time. Those that are there are counted as they are met.
pub(crate) async fn what_is_missing(
    requests: Requests<'_>,
    target: &Remote,
    plan: &CopyPlan,
    concurrency: usize,
    tally: &SharedTally,
) -> Result<WouldCopy, Failure> {
    let manifests = plan
        .manifests
        .iter()
        .map(|manifest| manifest.bytes.len() as u64);
    let mut missing = WouldCopy {
        blobs: 0,
        bytes: manifests.sum(),
        artifacts: 0,
    };
    let blobs: Vec<_> = plan.blobs().collect();
    let ask = async |place: usize| -> Result<_, Failure> {
        let blob = blobs[place];
        let there = requests.has_blob(target, &blob.digest).await?;
        Ok((there, blob.size))
    };
    let mut answers = stream::iter(0..blobs.len())
        .map(ask)
        .buffer_unordered(concurrency.max(1));
    while let Some((there, size)) = answers.try_next().await? {
        if there {
            tally.lock().blobs.present += 1;
        } else {
            missing.blobs += 1;
            missing.bytes = missing.bytes.saturating_add(size);
        }
    }
    Ok(missing)
}
