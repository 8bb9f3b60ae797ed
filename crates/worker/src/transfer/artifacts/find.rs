//! What belongs to an image at its source: by the referrers API, by the index under the referrers tag, and by cosign's tags.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt as _};
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::image::referrers::{CosignKind, Referring, listed, referrers_tag};
use image_sync_shared::run::Trigger;
use image_sync_shared::run::job::Referrers;
use tracing::debug;

use super::ArtifactCopier;
use crate::context::artifact_tags::TagsOfDigests;
use crate::decide::artifacts::{Artifact, By, Found, Subjects};

/// Artifacts of one image, at most.
const MOST: usize = 10_000;

impl ArtifactCopier<'_> {
    /// All that belongs to an image. What cannot be asked for is borne, where the image may come without it.
    pub(crate) async fn find(&self, subjects: &Subjects) -> Result<Found, Failure> {
        let mut found = Found {
            is_whole: true,
            ..Found::default()
        };
        self.count_unfit(&subjects.unfit, &mut found).await;
        let mut seen: HashSet<Digest> = subjects.fit.iter().cloned().collect();
        let (mut level, mut total) = (subjects.fit.clone(), 0);
        // A job may say any number.
        for _ in 0..self.policy.depth.min(Referrers::MAX_DEPTH) {
            let artifacts = self.find_of_each(&level, &mut found).await?;
            // No digest that was verified can belong to itself by any way, but tags can say so.
            let new = artifacts.into_iter();
            let new: Vec<Artifact> = new.filter(|new| seen.insert(new.digest.clone())).collect();
            total += new.len();
            if total > MOST {
                let answer = format!("more than {MOST} artifacts belong to it");
                self.bear(self.failure(answer), new.len())?;
                found.is_whole = false;
                break;
            }
            if new.is_empty() {
                break;
            }
            level = new.iter().map(|artifact| artifact.digest.clone()).collect();
            found.levels.push(new);
        }
        Ok(found)
    }

    /// What belongs to each of `subjects`, in their order.
    async fn find_of_each(
        &self,
        subjects: &[Digest],
        found: &mut Found,
    ) -> Result<Vec<Artifact>, Failure> {
        let ask = async |place: usize| self.find_of(&subjects[place]).await;
        let mut answers = stream::iter(0..subjects.len())
            .map(ask)
            .buffered(self.concurrency());
        let (mut all, mut place) = (Vec::new(), 0);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(artifacts) if artifacts.is_empty() => found.bare.push(subjects[place].clone()),
                Ok(artifacts) => all.extend(artifacts),
                Err(failure) => {
                    found.is_whole = false;
                    self.bear(failure, 1)?;
                }
            }
            place += 1;
        }
        Ok(all)
    }

    /// How many artifacts belong to what the target does not have as it is: asked for to be told, and no failure where that is not
    /// answered.
    async fn count_unfit(&self, subjects: &[Digest], found: &mut Found) {
        for subject in subjects {
            match self.find_of(subject).await {
                Ok(artifacts) => {
                    let unfit = u32::try_from(artifacts.len()).unwrap_or(u32::MAX);
                    found.unfit = found.unfit.saturating_add(unfit);
                }
                Err(failure) => {
                    found.is_whole = false;
                    debug!(error = %failure, "what belongs to the whole index is not known");
                }
            }
        }
        self.count(|counts| counts.unfit = found.unfit);
    }

    /// What belongs to `subject`, each once.
    async fn find_of(&self, subject: &Digest) -> Result<Vec<Artifact>, Failure> {
        if self.may_remember()
            && self
                .facts
                .is_bare(self.source, subject, self.policy, None)
                .await
        {
            return Ok(Vec::new());
        }
        let by_type = self.policy.only_type();
        let (api, tags) = tokio::join!(
            self.requests.referrers(self.source, subject, by_type),
            self.tags()
        );
        let (api, tags) = (api?, tags?);
        let mut descriptors = self
            .under_referrers_tag(subject, &tags, api.is_some())
            .await?;
        descriptors.extend(api.into_iter().flatten());
        let mut artifacts = self.by_tags(subject, &tags).await?;
        let mut seen: HashSet<Digest> = artifacts.iter().map(|one| one.digest.clone()).collect();
        for descriptor in descriptors {
            if seen.insert(descriptor.digest.clone()) && self.selects(&descriptor).await? {
                artifacts.push(Artifact {
                    subject: subject.clone(),
                    digest: descriptor.digest,
                    by: By::Subject,
                });
            }
        }
        Ok(artifacts)
    }

    /// The tags of the source that name digests, listed once per repository and run.
    async fn tags(&self) -> Result<TagsOfDigests, Failure> {
        let listing = self.requests.tags(self.source);
        let known = &self.context.artifact_tags;
        let repository = &self.source.repository;
        known.of(&self.job.run_id, repository, listing).await
    }

    /// What the index under the referrers tag lists, which registries without the API have, and those that had none once.
    async fn under_referrers_tag(
        &self,
        subject: &Digest,
        tags: &TagsOfDigests,
        has_api: bool,
    ) -> Result<Vec<Descriptor>, Failure> {
        let tag = referrers_tag(subject);
        let may_be_there = match tags {
            Some(tags) => tags.contains(&tag),
            None => !has_api,
        };
        if !may_be_there {
            return Ok(Vec::new());
        }
        match self.referrers_index(self.source, subject).await? {
            Some(index) => listed(&index.bytes)
                .map_err(|error| self.failure(format!("the index under {tag}: {error}"))),
            None => Ok(Vec::new()),
        }
    }

    /// What cosign keeps under tags.
    async fn by_tags(
        &self,
        subject: &Digest,
        tags: &TagsOfDigests,
    ) -> Result<Vec<Artifact>, Failure> {
        let mut artifacts = Vec::new();
        for kind in CosignKind::ALL {
            let tag = kind.tag(subject);
            let is_there = tags.as_ref().is_none_or(|tags| tags.contains(&tag));
            if !is_there || !self.policy.selects(kind.artifact_type()) {
                continue;
            }
            let reference = Reference::Tag(tag.clone());
            if let Some(resolved) = self.requests.resolve(self.source, &reference).await? {
                artifacts.push(Artifact {
                    subject: subject.clone(),
                    digest: resolved.digest,
                    by: By::Tag(tag),
                });
            }
        }
        Ok(artifacts)
    }

    /// Whether an artifact is one of those that come. Where its list does not state its type, its manifest does.
    async fn selects(&self, descriptor: &Descriptor) -> Result<bool, Failure> {
        let stated = descriptor.artifact_type.as_deref().unwrap_or_default();
        let takes_all = self.policy.types.is_empty() && self.policy.exclude.is_empty();
        if takes_all || !stated.is_empty() {
            return Ok(self.policy.selects(stated));
        }
        let digest = &descriptor.digest;
        let manifest = self.requests.pull_manifest(self.source, digest).await?;
        let referring = Referring::of(&manifest);
        let artifact_type = referring.map(|referring| referring.artifact_type);
        Ok(self.policy.selects(&artifact_type.unwrap_or_default()))
    }

    /// Whether it counts that there was nothing an hour ago. Who asks by hand wants to know now, and an event may be of what
    /// came a moment ago.
    pub(crate) fn may_remember(&self) -> bool {
        !matches!(self.job.trigger, Trigger::Enqueue | Trigger::Webhook)
    }

    fn failure(&self, answer: String) -> Failure {
        Failure::new(
            Side::Source,
            Step::ListReferrers,
            &self.job.source.image,
            FailureClass::Invalid,
            answer,
        )
    }
}
