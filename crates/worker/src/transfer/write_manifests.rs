//! Writes the manifests of an image, the tag last.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::RawManifest;
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::{ImageRef, Reference};

use crate::context::lease_guard::LeaseGuard;
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

impl ManifestWriter<'_> {
    /// Writes `manifests`, whose blobs are all at the target, and of which the last one is the root. The lease is made sure of
    /// right before the tag: whoever reads the target sees the old image or the new one.
    pub(crate) async fn write(&self, manifests: &[RawManifest]) -> Result<(), Failure> {
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
        self.lease.confirm().await?;
        let (target, reference) = (&self.target.remote, &self.image.reference);
        self.requests.push_manifest(target, reference, root).await
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
