//! The two requests of a check, and what is said where the source has no such tag.

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::reference::Repository;
use image_sync_shared::run::job::Job;

use crate::context::WorkerContext;
use crate::decide::verdict::ResolvedTags;
use crate::transfer::requests::Requests;

/// Asks both ends for their tag, at the same time. A source without the tag is a failure, for which its
/// repository may be listed; the source's failure goes before the
/// target's.
pub(crate) async fn resolve_tags(
    context: &WorkerContext,
    requests: Requests<'_>,
    job: &Job,
) -> Result<ResolvedTags, Failure> {
    let (at_source, target) = (job.source_remote(), job.target_remote());
    // `join!` and not `try_join!`: which of two failures is told must not depend on which came first.
    let (source, target) = tokio::join!(
        requests.resolve(&at_source, &job.source.image.reference),
        requests.resolve(&target, &job.target.image.reference),
    );
    let Some(source) = source? else {
        let (repository, reference) = (&at_source.repository, &job.source.image.reference);
        let listing = requests.first_tags(&at_source);
        let near = &context.near_tags;
        let answer = near.explain(&job.run_id, repository, reference, listing);
        // That a registry does not have it is what its 404 has said; a folder has no statuses.
        let status = matches!(repository, Repository::Registry { .. }).then_some(404);
        let (image, class) = (&job.source.image, FailureClass::NotFound);
        let failure = Failure::new(Side::Source, Step::Check, image, class, answer.await);
        return Err(failure.with_status(status));
    };
    Ok(ResolvedTags {
        source,
        target: target?,
    })
}
