//! The index under the referrers tag, which lists artifacts where a registry has no referrers API (OCI distribution spec, sections
//! "Pushing Manifests with Subject" and "Referrers Tag Schema").

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::RawManifest;
use image_sync_shared::image::reference::{ImageRef, Reference};
use image_sync_shared::image::referrers::referrers_tag;
use image_sync_shared::run::job::Remote;
use serde_json::Value;

use super::ArtifactCopier;
use crate::context::tag_lease::TagLease;
use crate::decide::artifacts::with_entries;

/// How often the index is written anew, because who writes it beside us has overwritten what we added.
const WRITES: usize = 5;

impl ArtifactCopier<'_> {
    /// Adds entries to the index of what refers to `subject`. Under a lease of its own: images of several tags may have one
    /// digest, and their workers then write one index.
    pub(super) async fn list_at(&self, subject: &Digest, entries: &[Value]) -> Result<(), Failure> {
        let tag = Reference::Tag(referrers_tag(subject));
        let image = self.target.repository().image(tag);
        let (leases, holder) = (&self.context.ports.leases, &self.context.settings.name);
        let mut lease = TagLease::acquire(leases.as_ref(), holder, &image).await?;
        let listed = self.add_entries(subject, &image, entries, &mut lease).await;
        lease.release().await;
        listed
    }

    /// Reads, merges, writes, and reads back: tools that know no leases may write the index too.
    async fn add_entries(
        &self,
        subject: &Digest,
        image: &ImageRef,
        entries: &[Value],
        lease: &mut TagLease<'_>,
    ) -> Result<(), Failure> {
        let target = &self.target.remote;
        for _ in 0..WRITES {
            let index = self.referrers_index(target, subject).await?;
            let grown = with_entries(index.as_ref(), entries)
                .map_err(|why| failed(image, FailureClass::Invalid, &why))?;
            let Some(grown) = grown else {
                return Ok(());
            };
            lease.confirm().await?;
            self.requests
                .push_manifest(target, &image.reference, &grown)
                .await?;
        }
        let why = format!("others wrote it each of {WRITES} times between our write and our look");
        Err(failed(image, FailureClass::Inconsistent, &why))
    }

    /// The index of what refers to `subject` that `at` has under its tag.
    pub(super) async fn referrers_index(
        &self,
        at: &Remote,
        subject: &Digest,
    ) -> Result<Option<RawManifest>, Failure> {
        let tag = Reference::Tag(referrers_tag(subject));
        match self.requests.pull_tagged(at, &tag).await {
            // GitLab reads the tag as the digest, and gives what it is the index of.
            Ok(index) => Ok(Some(index).filter(|index| index.digest != *subject)),
            Err(failure) if failure.class == FailureClass::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

fn failed(image: &ImageRef, class: FailureClass, why: &str) -> Failure {
    Failure::new(Side::Target, Step::PushManifest, image, class, why)
}
