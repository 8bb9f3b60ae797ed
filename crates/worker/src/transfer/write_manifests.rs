//! Writes the manifests of an image, the tag last.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::RawManifest;
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::{ImageRef, Reference};

use tracing::info;

use crate::context::lease_guard::LeaseGuard;
use crate::decide::convert::{self, Replaced};
use crate::decide::plan::CopyPlan;
use crate::transfer::artifacts::Planned;
use crate::transfer::requests::Requests;
use crate::transfer::target::Target;

/// Writes manifests to a target.
pub(crate) struct ManifestWriter<'a> {
    /// The requests.
    pub(crate) requests: Requests<'a>,
    /// The target.
    pub(crate) target: &'a Target<'a>,
    /// The image there.
    pub(crate) image: &'a ImageRef,
    /// Manifests that are written at the same time.
    pub(crate) concurrency: usize,
    /// The lease of the target.
    pub(crate) lease: &'a LeaseGuard<'a>,
}

/// Why an image was not written.
pub(crate) enum Unwritten {
    /// The image itself could not be.
    Image(Failure),
    /// What belongs to it could not be, and is required. It tells nothing of the image.
    Artifact(Failure),
}

impl From<Failure> for Unwritten {
    fn from(failure: Failure) -> Self {
        Self::Image(failure)
    }
}

impl From<Unwritten> for Failure {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Image(failure) | Unwritten::Artifact(failure) => failure,
        }
    }
}

/// What the target has now.
pub(crate) struct Written {
    /// The digest of its tag.
    pub(crate) root: Option<Digest>,
    /// What it has in the place of what.
    pub(crate) replaced: Vec<Replaced>,
}

impl ManifestWriter<'_> {
    /// The manifests of `plan` as they are, the tag last. Converted only if they are refused.
    pub(crate) async fn write_or_convert(
        &self,
        plan: &CopyPlan,
        artifacts: &Planned<'_>,
    ) -> Result<Written, Unwritten> {
        let root = |plan: &CopyPlan| plan.manifests.last().map(|root| root.digest.clone());
        let refusal = match self.write(&plan.manifests, artifacts).await {
            Ok(()) => {
                return Ok(Written {
                    root: root(plan),
                    replaced: convert::renamed(plan),
                });
            }
            Err(Unwritten::Image(refusal)) => refusal,
            Err(artifact) => return Err(artifact),
        };
        // 400 and 415 are of this class; whatever else went wrong is not about the form of the manifest.
        if !(refusal.class == FailureClass::Invalid && refusal.step == Step::PushManifest) {
            return Err(refusal.into());
        }
        let Some(converted) = convert::to_oci(plan) else {
            return Err(refusal.into());
        };
        info!(error = %refusal, "the target refuses the Docker manifest: converting it to OCI");
        let nothing = Planned::nothing();
        match self.write(&converted.plan.manifests, &nothing).await {
            Ok(()) => {
                artifacts.are_unfit();
                Ok(Written {
                    root: root(&converted.plan),
                    replaced: converted.replaced,
                })
            }
            Err(Unwritten::Image(second)) if second.class == FailureClass::Invalid => {
                Err(Unwritten::Image(Failure {
                    answer: format!(
                        "{}; converted to OCI it was refused too: {}",
                        refusal.answer, second.answer
                    ),
                    ..refusal
                }))
            }
            Err(second) => Err(second),
        }
    }

    /// Writes `manifests`, whose blobs are all at the target, and of which the last one is the root. The lease is made sure of
    /// right before the tag: whoever reads the target sees the old image or the new one.
    async fn write(
        &self,
        manifests: &[RawManifest],
        artifacts: &Planned<'_>,
    ) -> Result<(), Unwritten> {
        let Some((root, children)) = manifests.split_last() else {
            return Ok(());
        };
        // Before anything is written: the image could never be finished.
        self.check_digest_reference(&root.digest)?;
        // Images need blobs alone, and are written at the same time. Indexes may list each other, and keep the order of
        // the plan.
        let (indexes, images): (Vec<_>, Vec<_>) = children
            .iter()
            .partition(|manifest| media_type::is_index(&manifest.media_type));
        let write = |place: usize| self.write_child(images[place]);
        let mut written = stream::iter(0..images.len())
            .map(write)
            .buffer_unordered(self.concurrency.max(1));
        while written.try_next().await?.is_some() {}
        for index in indexes {
            self.write_child(index).await?;
        }
        let of_children = artifacts.copy_of_children().await;
        of_children.map_err(Unwritten::Artifact)?;
        let reference = &self.image.reference;
        // What refers to it comes after it and before its tag: who reads the tag finds all that belongs to the image.
        if artifacts.root_has_some() {
            let has_no_tag = matches!(reference, Reference::Digest(_));
            if has_no_tag {
                self.lease.confirm().await?;
            }
            self.write_child(root).await?;
            let of_root = artifacts.copy_of_root().await;
            of_root.map_err(Unwritten::Artifact)?;
            if has_no_tag {
                return Ok(());
            }
        }
        self.lease.confirm().await?;
        let target = &self.target.remote;
        self.requests.push_manifest(target, reference, root).await?;
        Ok(())
    }

    async fn write_child(&self, manifest: &RawManifest) -> Result<(), Failure> {
        let reference = Reference::Digest(manifest.digest.clone());
        let target = &self.target.remote;
        self.requests
            .push_manifest(target, &reference, manifest)
            .await?;
        self.target.note_manifest(&manifest.digest);
        Ok(())
    }

    /// A target that is named by a digest can only ever be that one.
    fn check_digest_reference(&self, root: &Digest) -> Result<(), Failure> {
        match &self.image.reference {
            Reference::Digest(named) if named != root => Err(Failure::new(
                Side::Target,
                Step::PushManifest,
                self.image,
                FailureClass::Invalid,
                format!("the target is named by a digest, but what is to be written has {root}"),
            )),
            _ => Ok(()),
        }
    }
}

/// Whether the target refused a manifest in a way that something it refers to may be the cause of.
pub(crate) fn may_lack_something(refusal: &Failure) -> bool {
    refusal.side == Side::Target
        && refusal.step == Step::PushManifest
        && matches!(
            refusal.class,
            FailureClass::Invalid | FailureClass::NotFound | FailureClass::Inconsistent
        )
}
