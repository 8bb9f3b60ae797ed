//! When artifacts are looked for: before the tag of a copy, and after an image that is up to date, as signatures may come later than
//! their image.

use std::collections::HashMap;

use image_sync_shared::failure::Failure;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::RawManifest;
use image_sync_shared::image::media_type;
use image_sync_shared::run::job::{Referrers, Remote};
use image_sync_shared::run::outcome::WouldCopy;

use super::Attempt;
use crate::decide::artifacts::{Found, Subjects, children_of};
use crate::decide::plan::CopyPlan;
use crate::decide::verdict::ResolvedTags;
use crate::transfer::artifacts::{ArtifactCopier, Planned};
use crate::transfer::read_manifests::MAX_DEPTH;

impl Attempt<'_> {
    /// What is to be written with an image that is about to be.
    pub(super) async fn plan_artifacts<'b>(
        &'b self,
        plan: &CopyPlan,
        tags: &ResolvedTags,
    ) -> Result<Planned<'b>, Failure> {
        let (Some(policy), Some(root)) = (self.referrers(), plan.manifests.last()) else {
            return Ok(Planned::nothing());
        };
        let copier = self.artifacts(policy);
        let found = self.find_artifacts_of(plan, root, &copier, tags).await?;
        let (of_root, of_children) = found.split(&root.digest);
        Ok(Planned {
            copier: Some(copier),
            of_root,
            of_children,
        })
    }

    /// How many artifacts a dry run finds missing.
    pub(super) async fn count_missing_artifacts(
        &self,
        plan: &CopyPlan,
        tags: &ResolvedTags,
    ) -> Result<u32, Failure> {
        let (Some(policy), Some(root)) = (self.referrers(), plan.manifests.last()) else {
            return Ok(0);
        };
        let copier = self.artifacts(policy);
        let found = self.find_artifacts_of(plan, root, &copier, tags).await?;
        copier.count_missing(&found).await
    }

    /// The artifacts of an image that the target lacks. What it has of it is not among what was read.
    async fn find_artifacts_of(
        &self,
        plan: &CopyPlan,
        root: &RawManifest,
        copier: &ArtifactCopier<'_>,
        tags: &ResolvedTags,
    ) -> Result<Found, Failure> {
        let read = plan.manifests.iter();
        let read = read.map(|manifest| (manifest.digest.clone(), manifest.clone()));
        let subjects = self.subjects(root, read.collect(), tags).await?;
        self.find_artifacts(copier, &subjects, tags).await
    }

    /// Brings the artifacts that an image lacks which is up to date. Nothing is asked where there was nothing a short time ago.
    pub(super) async fn bring_late_artifacts(&self, tags: &ResolvedTags) -> Result<(), Failure> {
        let Some(policy) = self.referrers() else {
            return Ok(());
        };
        let copier = self.artifacts(policy);
        copier.count(|_| ());
        if self.has_none(&copier, tags).await {
            return copier.check_required(&Found::default());
        }
        let subjects = match self.late_subjects(tags).await {
            Ok(subjects) => subjects,
            Err(failure) => return copier.bear(failure, 1),
        };
        let found = self.find_artifacts(&copier, &subjects, tags).await?;
        if self.job.policy.dry_run {
            let artifacts = copier.count_missing(&found).await?;
            let would_copy = WouldCopy {
                artifacts,
                ..WouldCopy::default()
            };
            self.tally.lock().would_copy = (artifacts > 0).then_some(would_copy);
            return Ok(());
        }
        copier.copy_all(&found.levels).await
    }

    /// What artifacts may belong to of an image that is up to date.
    async fn late_subjects(&self, tags: &ResolvedTags) -> Result<Subjects, Failure> {
        let (chosen, at_target) = {
            let tally = self.tally.lock();
            (tally.chosen.clone(), tally.expected.clone())
        };
        let (Some(chosen), Some(at_target)) = (chosen, at_target) else {
            return Ok(Subjects::default());
        };
        let mut unfit = whole_index(&chosen, tags);
        if chosen != at_target {
            // The target has it in another form, which nothing at the source refers to.
            unfit.push(chosen);
            let fit = Vec::new();
            return Ok(Subjects { fit, unfit });
        }
        match self.root_at_target(&at_target, tags).await? {
            Some(root) => self.subjects(&root, HashMap::new(), tags).await,
            None => Ok(Subjects {
                fit: vec![chosen],
                unfit,
            }),
        }
    }

    fn referrers(&self) -> Option<&Referrers> {
        self.job.policy.image.referrers.as_deref()
    }

    /// Whether it is remembered that nothing belongs to the image.
    async fn has_none(&self, copier: &ArtifactCopier<'_>, tags: &ResolvedTags) -> bool {
        let (source, digest) = (copier.source, &tags.source.digest);
        let (facts, platforms) = (self.facts(), &self.job.platforms);
        copier.may_remember()
            && facts
                .is_bare(source, digest, copier.policy, Some(platforms))
                .await
    }

    async fn find_artifacts(
        &self,
        copier: &ArtifactCopier<'_>,
        subjects: &Subjects,
        tags: &ResolvedTags,
    ) -> Result<Found, Failure> {
        let found = copier.find(subjects).await?;
        let (source, policy, facts) = (copier.source, copier.policy, self.facts());
        if found.is_nothing() {
            let (digest, platforms) = (&tags.source.digest, &self.job.platforms);
            facts
                .remember_bare(source, digest, policy, Some(platforms))
                .await;
        } else {
            for bare in &found.bare {
                facts.remember_bare(source, bare, policy, None).await;
            }
        }
        copier.check_required(&found)?;
        Ok(found)
    }

    /// The manifest that the target's tag stands for, where that is an index.
    async fn root_at_target(
        &self,
        digest: &Digest,
        tags: &ResolvedTags,
    ) -> Result<Option<RawManifest>, Failure> {
        let media_type = tags
            .target
            .as_ref()
            .map(|target| target.media_type.as_str());
        // A type that is not stated may be an index.
        let may_list = media_type.is_none_or(|stated| {
            media_type::kind(stated).is_none() || media_type::is_index(stated)
        });
        if !may_list {
            return Ok(None);
        }
        // Not from the source, which may count what is read.
        let target: &Remote = &self.target.remote;
        self.requests.pull_manifest(target, digest).await.map(Some)
    }

    /// The manifests of an image that artifacts may belong to, of which `root` is the first. Indexes in it that were not `read` are
    /// read at the target.
    async fn subjects(
        &self,
        root: &RawManifest,
        mut read: HashMap<Digest, RawManifest>,
        tags: &ResolvedTags,
    ) -> Result<Subjects, Failure> {
        let mut children = Vec::new();
        for _ in 0..MAX_DEPTH {
            let unread;
            (children, unread) = children_of(root, &read);
            if unread.is_empty() {
                break;
            }
            for index in unread {
                let target = &self.target.remote;
                let manifest = self.requests.pull_manifest(target, &index).await?;
                read.insert(index, manifest);
            }
        }
        let mut fit = vec![root.digest.clone()];
        fit.append(&mut children);
        Ok(Subjects {
            fit,
            unfit: whole_index(&root.digest, tags),
        })
    }
}

/// The source's index, where only some of it was chosen.
fn whole_index(chosen: &Digest, tags: &ResolvedTags) -> Vec<Digest> {
    let index = &tags.source.digest;
    if chosen == index {
        Vec::new()
    } else {
        vec![index.clone()]
    }
}
