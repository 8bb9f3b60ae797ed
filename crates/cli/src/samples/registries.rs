//! Registries that tests ask.

use async_trait::async_trait;
use image_sync_shared::failure::Failure;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, RawManifest};
use image_sync_shared::image::media_type::OCI_MANIFEST;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::transfer::registries::{
    Arrival, BlobCopy, Pushed, Registries, Resolved,
};
use image_sync_shared::run::job::Remote;

/// Registries in which every image is in place, but for what this has to say of who asks for one.
pub(crate) struct InPlace(pub(crate) fn(&Remote, &Reference) -> Result<(), Failure>);

#[async_trait]
impl Registries for InPlace {
    async fn resolve(&self, at: &Remote, tag: &Reference) -> Result<Option<Resolved>, Failure> {
        (self.0)(at, tag)?;
        Ok(Some(Resolved {
            digest: Digest::of(b"the same everywhere"),
            media_type: OCI_MANIFEST.to_owned(),
        }))
    }

    async fn pull_manifest_up_to(
        &self,
        _: usize,
        _: &Remote,
        _: &Reference,
    ) -> Result<RawManifest, Failure> {
        panic!("all is in place")
    }

    async fn push_manifest(
        &self,
        _: &Remote,
        _: &Reference,
        _: &RawManifest,
    ) -> Result<Pushed, Failure> {
        panic!("all is in place")
    }

    async fn referrers(
        &self,
        _: &Remote,
        _: &Digest,
        _: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>, Failure> {
        panic!("all is in place")
    }

    async fn has_blob(&self, _: &Remote, _: &Digest) -> Result<bool, Failure> {
        panic!("all is in place")
    }

    async fn copy_blob(&self, _: BlobCopy<'_>) -> Result<Arrival, Failure> {
        panic!("all is in place")
    }

    async fn read_blob(&self, _: usize, _: &Remote, _: &Descriptor) -> Result<Vec<u8>, Failure> {
        panic!("all is in place")
    }

    async fn repositories(&self, _: &Remote) -> Result<Vec<String>, Failure> {
        panic!("all is in place")
    }

    async fn tags(&self, _: &Remote) -> Result<Vec<String>, Failure> {
        panic!("all is in place")
    }
}
