//! The artifacts that belong to an image: signatures, attestations, SBOMs and whatever else refers to it by its digest. `find`
//! asks the source for them, `at_target` what the target has of them, `copy` brings the others, and `referrers_index` lists
//! them where the target's registry does not do so itself.

mod at_target;
mod copy;
mod find;
mod referrers_index;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use image_sync_shared::failure::{Failure, FailureClass, Reaction, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::run::job::{Job, Referrers, Remote};
use image_sync_shared::run::outcome::ArtifactCounts;
use serde_json::Value;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::context::WorkerContext;
use crate::context::lease_guard::LeaseGuard;
use crate::decide::artifacts::{Artifact, By, Found};
use crate::decide::tally::SharedTally;
use crate::transfer::blobs::BlobCopier;
use crate::transfer::facts::Facts;
use crate::transfer::read_manifests::ManifestReader;
use crate::transfer::requests::Requests;
use crate::transfer::target::Target;

/// Copies the artifacts of one image.
pub(crate) struct ArtifactCopier<'a> {
    /// What all jobs share.
    pub(crate) context: &'a WorkerContext,
    /// The job.
    pub(crate) job: &'a Job,
    /// Which artifacts come.
    pub(crate) policy: &'a Referrers,
    /// The requests.
    pub(crate) requests: Requests<'a>,
    /// Where they are.
    pub(crate) source: &'a Remote,
    /// Where they go to.
    pub(crate) target: &'a Target<'a>,
    /// What is remembered.
    pub(crate) facts: Facts<'a>,
    /// Reads their manifests.
    pub(crate) reader: ManifestReader<'a>,
    /// Brings their blobs.
    pub(crate) blobs: BlobCopier<'a>,
    /// The right to hold the manifests of an artifact that is an index: one at a time.
    pub(crate) one_index: Semaphore,
    /// The lease of the image.
    pub(crate) lease: &'a LeaseGuard<'a>,
    /// What is counted.
    pub(crate) tally: &'a SharedTally,
}

/// Artifacts that are to be at the target before the tag is: those of the root, and those of what it lists.
pub(crate) struct Planned<'a> {
    /// Copies them; nothing does where none are to come.
    pub(crate) copier: Option<ArtifactCopier<'a>>,
    /// Those of the root, level by level.
    pub(crate) of_root: Vec<Vec<Artifact>>,
    /// Those of its children.
    pub(crate) of_children: Vec<Vec<Artifact>>,
}

/// What has come of one artifact.
enum Came {
    /// It was there.
    Present,
    /// The target has another one under its tag, and keeps it.
    Kept,
    /// It was copied; where the registry does not list it itself, this is its entry of the index of referrers.
    Copied(Option<Value>),
}

impl Planned<'_> {
    /// No artifacts.
    pub(crate) fn nothing() -> Self {
        Self {
            copier: None,
            of_root: Vec::new(),
            of_children: Vec::new(),
        }
    }

    /// Whether the root has some.
    pub(crate) fn root_has_some(&self) -> bool {
        self.of_root.iter().any(|level| !level.is_empty())
    }

    /// Copies those of the children.
    pub(crate) async fn copy_of_children(&self) -> Result<(), Failure> {
        self.copy(&self.of_children).await
    }

    /// Copies those of the root.
    pub(crate) async fn copy_of_root(&self) -> Result<(), Failure> {
        self.copy(&self.of_root).await
    }

    async fn copy(&self, levels: &[Vec<Artifact>]) -> Result<(), Failure> {
        match &self.copier {
            Some(copier) => copier.copy_all(levels).await,
            None => Ok(()),
        }
    }

    /// What they belong to is not written as it is: none of them fits.
    pub(crate) fn are_unfit(&self) {
        let Some(copier) = &self.copier else { return };
        let all = self.of_root.iter().chain(&self.of_children).flatten();
        let all = u32::try_from(all.count()).unwrap_or(u32::MAX);
        copier.count(|counts| counts.unfit = counts.unfit.saturating_add(all));
    }
}

impl ArtifactCopier<'_> {
    /// Copies artifacts, those of a level before those of the next.
    pub(crate) async fn copy_all(&self, levels: &[Vec<Artifact>]) -> Result<(), Failure> {
        for level in levels {
            self.copy_level(level).await?;
        }
        Ok(())
    }

    /// How many of the artifacts the target lacks.
    pub(crate) async fn count_missing(&self, found: &Found) -> Result<u32, Failure> {
        let mut missing = 0;
        for level in &found.levels {
            for (subject, artifacts) in by_subject(level) {
                let there = self.at_target(&subject, &artifacts).await?;
                let lacks = |artifact: &&&Artifact| !there.has(artifact);
                missing += artifacts.iter().filter(lacks).count();
            }
        }
        Ok(u32::try_from(missing).unwrap_or(u32::MAX))
    }

    /// Copies one level, and lists each at what it belongs to.
    async fn copy_level(&self, level: &[Artifact]) -> Result<(), Failure> {
        let groups = by_subject(level);
        let copy = async |place: usize| {
            let (subject, artifacts) = &groups[place];
            self.copy_those_of(subject, artifacts).await
        };
        let mut copied = stream::iter(0..groups.len())
            .map(copy)
            .buffer_unordered(self.concurrency());
        while copied.try_next().await?.is_some() {}
        Ok(())
    }

    async fn copy_those_of(
        &self,
        subject: &Digest,
        artifacts: &[&Artifact],
    ) -> Result<(), Failure> {
        let there = match self.at_target(subject, artifacts).await {
            Ok(there) => there,
            Err(failure) => return self.bear(failure, artifacts.len()),
        };
        let kept = there.others(artifacts, self.policy);
        self.count(|counts| counts.kept = counts.kept.saturating_add(kept));
        let copy = async |place: usize| self.bring(artifacts[place], &there).await;
        let mut came = stream::iter(0..artifacts.len())
            .map(copy)
            .buffer_unordered(self.concurrency());
        let mut unlisted = Vec::new();
        while let Some(entry) = came.try_next().await? {
            unlisted.extend(entry);
        }
        drop(came);
        if unlisted.is_empty() {
            return Ok(());
        }
        let listed = self.list_at(subject, &unlisted).await;
        listed.or_else(|failure| {
            self.uncount(unlisted.len());
            self.bear(failure, unlisted.len())
        })
    }

    /// Requests under way at the same time, of each kind.
    fn concurrency(&self) -> usize {
        self.context.settings.blob_concurrency.max(1)
    }

    /// Sees that the target has one artifact, and returns the entry that is still to be listed.
    async fn bring(
        &self,
        artifact: &Artifact,
        there: &at_target::AtTarget,
    ) -> Result<Option<Value>, Failure> {
        if there.has(artifact) {
            self.count(|counts| counts.present += 1);
            return Ok(None);
        }
        match self.copy(artifact, there).await {
            Ok(Came::Present) => self.count(|counts| counts.present += 1),
            Ok(Came::Kept) => self.count(|counts| counts.kept += 1),
            Ok(Came::Copied(entry)) => {
                self.count(|counts| counts.copied += 1);
                return Ok(entry);
            }
            Err(failure) => self.bear(failure, 1)?,
        }
        Ok(None)
    }

    /// Goes on without `lost` artifacts, where the image may come without them and nothing is to be hoped for from another attempt.
    pub(crate) fn bear(&self, failure: Failure, lost: usize) -> Result<(), Failure> {
        let is_last = !self.context.settings.retry.allows_another(self.job.attempt);
        let is_final = match failure.class.reaction() {
            // The image has no time left, either.
            Reaction::Fail => failure.class != FailureClass::TimeUsedUp,
            Reaction::Retry | Reaction::PauseAndRetry(_) => is_last,
            Reaction::Pause(_) | Reaction::PutBack => false,
        };
        if self.policy.required || !is_final {
            return Err(failure);
        }
        warn!(error = %failure, "an artifact could not be copied");
        let lost = u32::try_from(lost).unwrap_or(u32::MAX);
        self.count(|counts| counts.failed = counts.failed.saturating_add(lost));
        let mut tally = self.tally.lock();
        let note = || format!("artifacts: {failure}");
        tally.note.get_or_insert_with(note);
        Ok(())
    }

    /// An image without artifacts, where some are required.
    pub(crate) fn check_required(&self, found: &Found) -> Result<(), Failure> {
        if !self.policy.required || found.all().next().is_some() {
            return Ok(());
        }
        let answer = match found.unfit {
            0 => "nothing of the wanted types belongs to it, and referrers.required is true"
                .to_owned(),
            unfit => format!(
                "{unfit} belong to an index that is not copied as it is, so that they fit nothing at the target, and referrers.required is true: platform: all copies it as it is"
            ),
        };
        Err(Failure::new(
            Side::Source,
            Step::ListReferrers,
            &self.job.source.image,
            FailureClass::NotFound,
            answer,
        ))
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut ArtifactCounts)) {
        change(self.tally.lock().artifacts.get_or_insert_default());
    }

    fn uncount(&self, copied: usize) {
        let copied = u32::try_from(copied).unwrap_or(u32::MAX);
        self.count(|counts| counts.copied = counts.copied.saturating_sub(copied));
    }
}

/// The artifacts of one level by what they belong to, in their order.
fn by_subject(level: &[Artifact]) -> Vec<(Digest, Vec<&Artifact>)> {
    let mut grouped: Vec<(Digest, Vec<&Artifact>)> = Vec::new();
    for artifact in level {
        match grouped.last_mut() {
            Some((subject, artifacts)) if *subject == artifact.subject => artifacts.push(artifact),
            _ => grouped.push((artifact.subject.clone(), vec![artifact])),
        }
    }
    grouped
}

/// The tag of an artifact, if it has one.
fn tag_of(artifact: &Artifact) -> Option<&str> {
    match &artifact.by {
        By::Tag(tag) => Some(tag),
        By::Subject => None,
    }
}
