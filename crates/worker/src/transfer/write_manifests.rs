//! Writes the manifests of an image, the tag last; converted to OCI's if the target takes no Docker manifests.

use std::pin::pin;

use futures_util::StreamExt as _;
use image_sync_shared::digest::{Algorithm, Digest};
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::manifest::RawManifest;
use image_sync_shared::media_type;
use image_sync_shared::ports::memo::Fact;
use image_sync_shared::reference::Reference;
use tracing::info;

use crate::decide::convert::{self, Converted};
use crate::decide::plan::CopyPlan;
use crate::decide::verdict::ResolvedTags;
use crate::transfer::at_once::at_once;
use crate::transfer::check_and_copy::Attempt;

impl Attempt<'_> {
    /// Writes the manifests of `image`, whose blobs are all at the target.
    pub(crate) async fn push_image(&self, image: &CopyPlan) -> Result<(), Failure> {
        let Err(refusal) = self.push_manifests(&image.manifests).await else {
            self.remember_other_digest(image).await;
            return Ok(());
        };
        if !(refusal.class == FailureClass::Invalid && refusal.step == Step::PushManifest) {
            return Err(refusal);
        }
        let Some(converted) = convert::to_oci(image) else {
            return Err(refusal);
        };
        info!(error = %refusal, "the target refuses the Docker manifest: converting it to OCI");
        match self.push_manifests(&converted.image.manifests).await {
            Ok(()) => {
                self.remember(&converted).await;
                Ok(())
            }
            Err(second) if second.class == FailureClass::Invalid => Err(Failure {
                answer: format!(
                    "{}; converted to OCI it was refused too: {}",
                    refusal.answer, second.answer
                ),
                ..refusal
            }),
            Err(second) => Err(second),
        }
    }

    async fn push_manifests(&self, manifests: &[RawManifest]) -> Result<(), Failure> {
        let Some((root, children)) = manifests.split_last() else {
            return Ok(());
        };
        self.check_digest_reference(&root.digest)?;
        let (indexes, images): (Vec<_>, Vec<_>) = children
            .iter()
            .partition(|manifest| media_type::is_index(&manifest.media_type));
        let limit = self.context.settings.blob_concurrency;
        let push = |place: usize| self.push_child(images[place]);
        let mut pushed = pin!(at_once(limit, images.len(), push));
        while let Some(outcome) = pushed.next().await {
            outcome?;
        }
        for index in indexes {
            self.push_child(index).await?;
        }
        self.lease_guard.confirm().await?;
        let reference = &self.job.target.image.reference;
        self.requests
            .push_manifest(&self.target, reference, root)
            .await
    }

    async fn push_child(&self, manifest: &RawManifest) -> Result<(), Failure> {
        let reference = Reference::Digest(manifest.digest.clone());
        let target = &self.target;
        self.requests
            .push_manifest(target, &reference, manifest)
            .await?;
        self.context
            .blobs
            .note_manifest(&target.repository, &manifest.digest);
        Ok(())
    }

    /// A target that is named by a digest can only ever be that one.
    fn check_digest_reference(&self, root: &Digest) -> Result<(), Failure> {
        match &self.job.target.image.reference {
            Reference::Digest(named) if named != root => Err(Failure::new(
                Side::Target,
                Step::PushManifest,
                &self.job.target.image,
                FailureClass::Invalid,
                format!("the target is named by a digest, but what is to be written has {root}"),
            )),
            _ => Ok(()),
        }
    }

    /// Whether the target's tag has the image already, under a digest that only the image itself tells. Remembers that.
    pub(crate) async fn is_found_at_target(&self, image: &CopyPlan, tags: &ResolvedTags) -> bool {
        if let Some(converted) = convert::found_at_target(image, tags.target.as_ref()) {
            self.remember(&converted).await;
            return true;
        }
        let other = other_digest(image).map(|(_, digest)| digest);
        let at_target = tags.target.as_ref().map(|target| target.digest.clone());
        let is_there = other.is_some() && other == at_target;
        if is_there {
            self.tally.lock().expected = other;
            self.remember_other_digest(image).await;
        }
        is_there
    }

    /// Remembers a conversion, so that the next run sees that it is in place.
    pub(crate) async fn remember(&self, converted: &Converted) {
        if let Some(root) = converted.image.manifests.last() {
            self.tally.lock().expected = Some(root.digest.clone());
        }
        for (refused, digest) in &converted.changed {
            self.remember_at_target(refused, digest).await;
        }
    }

    async fn remember_other_digest(&self, image: &CopyPlan) {
        if let Some((root, digest)) = other_digest(image) {
            self.remember_at_target(root, &digest).await;
        }
    }

    /// Remembers that the target's registry has `digest` in the place of `expected`.
    async fn remember_at_target(&self, expected: &Digest, digest: &Digest) {
        let Some(host) = self.target.repository.host() else {
            return;
        };
        let fact = Fact::Converted {
            refused: expected.clone(),
            host: host.to_owned(),
        };
        let ports = &self.context.ports;
        ports.memo.remember(&fact, digest, ports.clock.now()).await;
    }
}

/// The digest of an image, and the one that a registry may name it by: SHA-256, whatever algorithm the source goes by (OCI
/// image spec, descriptor.md, "Digests").
fn other_digest(image: &CopyPlan) -> Option<(&Digest, Digest)> {
    let root = image.manifests.last()?;
    let is_other = root.digest.algorithm() != Algorithm::Sha256;
    is_other.then(|| (&root.digest, Digest::of(&root.bytes)))
}
