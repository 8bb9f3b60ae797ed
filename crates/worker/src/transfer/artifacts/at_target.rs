//! What the target has of the artifacts of one manifest.

use std::collections::HashMap;

use image_sync_shared::failure::{Failure, FailureClass};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::image::referrers::listed;
use image_sync_shared::run::job::Referrers;

use super::{ArtifactCopier, tag_of};
use crate::decide::artifacts::Artifact;

/// What the target has.
pub(super) struct AtTarget {
    /// What it lists as referrers.
    listed: Vec<Descriptor>,
    /// What it has under tags.
    tagged: HashMap<String, Digest>,
}

impl AtTarget {
    /// Whether it has an artifact.
    pub(super) fn has(&self, artifact: &Artifact) -> bool {
        if let Some(tag) = tag_of(artifact) {
            return self.tagged.get(tag) == Some(&artifact.digest);
        }
        let mut listed = self.listed.iter();
        listed.any(|entry| entry.digest == artifact.digest)
    }

    /// Whether it has another artifact under the tag of this one.
    pub(super) fn other_under_tag(&self, artifact: &Artifact) -> Option<&Digest> {
        self.tagged.get(tag_of(artifact)?)
    }

    /// How many artifacts it lists that the source does not have.
    pub(super) fn others(&self, artifacts: &[&Artifact], policy: &Referrers) -> u32 {
        let is_other = |entry: &&Descriptor| {
            let artifact_type = entry.artifact_type.as_deref().unwrap_or_default();
            policy.selects(artifact_type)
                && artifacts.iter().all(|ours| ours.digest != entry.digest)
        };
        u32::try_from(self.listed.iter().filter(is_other).count()).unwrap_or(u32::MAX)
    }
}

impl ArtifactCopier<'_> {
    /// Asks the target for the artifacts of `subject` that the source has: once for all that refer to it, and once for each tag. A
    /// repository that nothing was seen in is not asked.
    pub(super) async fn at_target(
        &self,
        subject: &Digest,
        artifacts: &[&Artifact],
    ) -> Result<AtTarget, Failure> {
        let mut there = AtTarget {
            listed: Vec::new(),
            tagged: HashMap::new(),
        };
        if self.target.knows_manifest(subject) == Some(false) && !self.target.is_distrusted() {
            return Ok(there);
        }
        let tags = artifacts.iter().filter_map(|artifact| tag_of(artifact));
        for tag in tags {
            let reference = Reference::Tag(tag.to_owned());
            let resolved = self
                .requests
                .resolve(&self.target.remote, &reference)
                .await?;
            if let Some(resolved) = resolved {
                there.tagged.insert(tag.to_owned(), resolved.digest);
            }
        }
        if artifacts.iter().any(|artifact| tag_of(artifact).is_none()) {
            there.listed = self.listed_at_target(subject).await?;
        }
        Ok(there)
    }

    async fn listed_at_target(&self, subject: &Digest) -> Result<Vec<Descriptor>, Failure> {
        let target = &self.target.remote;
        if let Some(listed) = self.requests.referrers(target, subject, None).await? {
            return Ok(listed);
        }
        let index = match self.referrers_index(target, subject).await {
            // What may not be read is taken as not there: the push will tell.
            Err(Failure {
                class: FailureClass::Unauthorized | FailureClass::Denied,
                ..
            }) => None,
            read => read?,
        };
        // What is no index is found out about when it is to be written.
        Ok(index
            .and_then(|index| listed(&index.bytes).ok())
            .unwrap_or_default())
    }
}
