//! Check: both ends are asked for their tag, two requests that are enough where the image is in place.

use image_sync_shared::digest::Digest;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::job::Job;
use image_sync_shared::platform::Platforms;
use image_sync_shared::ports::memo::{Fact, Memo};
use image_sync_shared::reference::Repository;
use time::OffsetDateTime;

use crate::decide::verdict::{Remembered, ResolvedTags, needs_choice};
use crate::transfer::requests::Requests;

/// Asks both ends at the same time. A source without the tag is a failure; the source's failure goes before the target's.
pub(crate) async fn look(requests: Requests<'_>, job: &Job) -> Result<ResolvedTags, Failure> {
    let (source, target) = (job.source_remote(), job.target_remote());
    let (source, target) = tokio::join!(
        requests.resolve(&source, &job.source.image.reference),
        requests.resolve(&target, &job.target.image.reference),
    );
    let source = source?.ok_or_else(|| {
        Failure::new(
            Side::Source,
            Step::Check,
            &job.source.image,
            FailureClass::NotFound,
            "not found: there is no such repository or tag",
        )
    })?;
    Ok(ResolvedTags {
        source,
        target: target?,
    })
}

/// Recalls what may show that the target is in place, asking no more than that takes.
pub(crate) async fn recall(
    memo: &dyn Memo,
    tags: &ResolvedTags,
    platforms: &Platforms,
    target: &Repository,
    now: OffsetDateTime,
) -> Remembered {
    let mut remembered = Remembered::default();
    let Some(at_target) = &tags.target else {
        return remembered;
    };
    let mut expected = tags.source.digest.clone();
    if needs_choice(&tags.source, platforms) {
        let fact = Fact::Chosen {
            index: expected,
            platforms: platforms.clone(),
        };
        let Some(chosen) = memo.recall(&fact, now).await else {
            return remembered;
        };
        remembered.chosen = Some(chosen.clone());
        expected = chosen;
    }
    if expected != at_target.digest {
        remembered.converted = recall_converted(memo, expected, target, now).await;
    }
    remembered
}

/// What `target`'s registry has in the place of `refused`, if that is remembered.
pub(crate) async fn recall_converted(
    memo: &dyn Memo,
    refused: Digest,
    target: &Repository,
    now: OffsetDateTime,
) -> Option<Digest> {
    let host = target.host()?.to_owned();
    memo.recall(&Fact::Converted { refused, host }, now).await
}
