//! What becomes of a tag of the target that has another image.

use image_sync_shared::failure::Failure;
use image_sync_shared::ports::transfer::registries::Resolved;
use image_sync_shared::run::job::Overwrite;
use image_sync_shared::run::outcome::Action;

use super::Attempt;
use crate::decide::overwrite;
use crate::decide::plan::CopyPlan;
use crate::decide::verdict::ResolvedTags;
use crate::transfer::read_manifests::Root;

impl Attempt<'_> {
    /// Whether a tag that has another image gets this one.
    pub(super) fn overwrites(&self) -> bool {
        self.job.policy.image.overwrite == Overwrite::Always
    }

    pub(super) async fn resolve_target(&self) -> Result<Option<Resolved>, Failure> {
        let reference = &self.job.target.image.reference;
        self.requests.resolve(&self.target.remote, reference).await
    }

    /// What the target has stays there, be it this image or another one.
    pub(super) async fn keep(&self, root: Root, tags: &ResolvedTags) -> Result<Action, Failure> {
        let plan = match &tags.target {
            Some(found) if found.digest == *root.digest() => {
                return Ok(self.up_to_date(found.digest.clone()));
            }
            _ => self.plan(root, tags).await?,
        };
        self.keep_of(&plan, tags).await
    }

    pub(super) async fn keep_of(
        &self,
        plan: &CopyPlan,
        tags: &ResolvedTags,
    ) -> Result<Action, Failure> {
        if self.is_found_at_target(plan, tags).await {
            return Ok(Action::AlreadyCached);
        }
        let (Some(found), Some(expected)) = (&tags.target, plan.manifests.last()) else {
            return Ok(Action::Kept);
        };
        let overwrite = self.job.policy.image.overwrite;
        let target = &self.job.target.image;
        let note = overwrite::keep(overwrite, target, &found.digest, &expected.digest)?;
        self.tally.lock().note = Some(note);
        Ok(Action::Kept)
    }

    /// A registry refuses to overwrite a tag. Somebody else may have written the same image meanwhile.
    pub(super) async fn refused_as_immutable(
        &self,
        plan: &CopyPlan,
        tags: &ResolvedTags,
        refusal: Failure,
    ) -> Result<Action, Failure> {
        let (source, target) = (tags.source.clone(), self.resolve_target().await?);
        let now = ResolvedTags { source, target };
        let root = plan.manifests.last().map(|root| &root.digest);
        match &now.target {
            Some(found) if Some(&found.digest) == root => Ok(self.up_to_date(found.digest.clone())),
            Some(_) if !self.overwrites() => self.keep_of(plan, &now).await,
            Some(_) if self.is_found_at_target(plan, &now).await => Ok(Action::AlreadyCached),
            Some(_) | None => Err(refusal),
        }
    }
}
