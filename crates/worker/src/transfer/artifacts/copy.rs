//! Brings one artifact to the target: its blobs, what it lists, and its manifest.

use image_sync_shared::failure::Failure;
use image_sync_shared::image::manifest::RawManifest;
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::image::referrers::Referring;
use image_sync_shared::run::job::Overwrite;
use serde_json::Value;
use tracing::{debug, info};

use super::at_target::AtTarget;
use super::{ArtifactCopier, Came, tag_of};
use crate::decide::artifacts::{Artifact, has_all_layers};
use crate::decide::plan::CopyPlan;
use crate::transfer::read_manifests::read_root;
use crate::transfer::write_manifests::may_lack_something;

impl ArtifactCopier<'_> {
    /// Copies an artifact that the target lacks, or has in another form under its tag.
    pub(super) async fn copy(
        &self,
        artifact: &Artifact,
        there: &AtTarget,
    ) -> Result<Came, Failure> {
        // An image that has all of its artifacts takes no lease.
        self.lease.acquire().await?;
        let tag = tag_of(artifact).map(|tag| Reference::Tag(tag.to_owned()));
        let digest = &artifact.digest;
        let manifest = read_root(self.requests, self.source, digest, tag.as_ref()).await?;
        if let Some(other) = there.other_under_tag(artifact) {
            if self.job.policy.image.overwrite != Overwrite::Always {
                return Ok(Came::Kept);
            }
            let target = &self.target.remote;
            let other = self.requests.pull_manifest(target, other).await;
            // Somebody may have added signatures of his own at the target.
            if other.is_ok_and(|other| has_all_layers(&other, &manifest)) {
                return Ok(Came::Present);
            }
        }
        // Each may list as much as an image may hold of manifests in memory.
        let _one_index = if media_type::is_index(&manifest.media_type) {
            self.one_index.acquire().await.ok()
        } else {
            None
        };
        let plan = self.reader.plan(manifest.clone()).await?;
        let entry = match self.write(&plan, tag.as_ref()).await {
            Err(refusal) if may_lack_something(&refusal) && self.target.was_relied_on() => {
                info!(error = %refusal, "the target may have lost what was there: asking for everything");
                self.target.distrust(&plan);
                let plan = self.reader.plan(manifest).await?;
                self.write(&plan, tag.as_ref()).await?
            }
            written => written?,
        };
        debug!(%digest, subject = %artifact.subject, "copied an artifact");
        Ok(Came::Copied(entry))
    }

    /// Writes the blobs of an artifact, the manifests that it lists, and its own.
    async fn write(
        &self,
        plan: &CopyPlan,
        tag: Option<&Reference>,
    ) -> Result<Option<Value>, Failure> {
        self.blobs.copy_all(plan).await?;
        let Some((root, listed)) = plan.manifests.split_last() else {
            return Ok(None);
        };
        for manifest in listed {
            self.push(manifest, &Reference::Digest(manifest.digest.clone()))
                .await?;
        }
        let by_digest = Reference::Digest(root.digest.clone());
        self.push(root, tag.unwrap_or(&by_digest)).await
    }

    /// Writes a manifest, and returns its entry of the index of referrers where the registry does not list it itself.
    async fn push(
        &self,
        manifest: &RawManifest,
        reference: &Reference,
    ) -> Result<Option<Value>, Failure> {
        let target = &self.target.remote;
        let pushed = self
            .requests
            .push_manifest(target, reference, manifest)
            .await?;
        self.target.note_manifest(&manifest.digest);
        let unlisted = Referring::of(manifest).filter(|_| pushed.subject.is_none());
        Ok(unlisted.map(|referring| referring.descriptor(manifest)))
    }
}
