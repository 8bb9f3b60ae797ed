//! The two requests of a check.

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::run::job::Job;

use crate::decide::verdict::ResolvedTags;
use crate::transfer::requests::Requests;

/// Asks both ends for their tag, at the same time. A source without the tag is a failure; the source's failure goes before the
/// target's.
pub(crate) async fn resolve_tags(
    requests: Requests<'_>,
    job: &Job,
) -> Result<ResolvedTags, Failure> {
    let (source, target) = (job.source_remote(), job.target_remote());
    // `join!` and not `try_join!`: which of two failures is told must not depend on which came first.
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
