//! Registries whose tags move.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, RawManifest};
use image_sync_shared::image::reference::Reference;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::transfer::registries::{
    Arrival, BlobCopy, Pushed, Registries, Resolved,
};
use image_sync_shared::run::job::Remote;
use image_sync_testkit::Image;

/// Registries that have every blob, and the manifests that were put, under their tags `REPOSITORY:TAG` and their digests.
#[derive(Default)]
pub(crate) struct MovingTags(Mutex<HashMap<String, RawManifest>>);

impl MovingTags {
    /// Gives a tag an image.
    pub(crate) fn push(&self, name: &str, image: &Image) {
        for manifest in image.manifests() {
            self.put(name, manifest);
        }
    }

    /// The digest that a tag has.
    pub(crate) fn digest(&self, name: &str) -> Option<Digest> {
        let manifests = lock(&self.0);
        manifests.get(name).map(|manifest| manifest.digest.clone())
    }

    fn put(&self, name: &str, manifest: &RawManifest) {
        let repository = name.rsplit_once([':', '@']).map_or(name, |(name, _)| name);
        let repository = repository.split("@sha256").next().unwrap_or(repository);
        let by_digest = format!("{repository}@{}", manifest.digest);
        let mut manifests = lock(&self.0);
        manifests.insert(by_digest, manifest.clone());
        manifests.insert(name.to_owned(), manifest.clone());
    }

    fn find(&self, at: &Remote, reference: &Reference) -> Option<RawManifest> {
        let name = at.repository.image(reference.clone()).to_string();
        lock(&self.0).get(&name).cloned()
    }
}

#[async_trait]
impl Registries for MovingTags {
    async fn resolve(&self, at: &Remote, tag: &Reference) -> Result<Option<Resolved>, Failure> {
        Ok(self.find(at, tag).map(|manifest| Resolved {
            digest: manifest.digest,
            media_type: manifest.media_type,
        }))
    }

    async fn pull_manifest_up_to(
        &self,
        _: usize,
        at: &Remote,
        reference: &Reference,
    ) -> Result<RawManifest, Failure> {
        let missing = || {
            let class = FailureClass::NotFound;
            Failure::new(at.side, Step::PullManifest, reference, class, "404")
        };
        self.find(at, reference).ok_or_else(missing)
    }

    async fn push_manifest(
        &self,
        at: &Remote,
        reference: &Reference,
        manifest: &RawManifest,
    ) -> Result<Pushed, Failure> {
        self.put(
            &at.repository.image(reference.clone()).to_string(),
            manifest,
        );
        Ok(Pushed { subject: None })
    }

    async fn referrers(
        &self,
        _: &Remote,
        _: &Digest,
        _: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>, Failure> {
        Ok(None)
    }

    async fn has_blob(&self, _: &Remote, _: &Digest) -> Result<bool, Failure> {
        Ok(true)
    }

    async fn copy_blob(&self, _: BlobCopy<'_>) -> Result<Arrival, Failure> {
        Ok(Arrival::Mounted)
    }

    async fn read_blob(&self, _: usize, _: &Remote, _: &Descriptor) -> Result<Vec<u8>, Failure> {
        panic!("no blob is read")
    }

    async fn repositories(&self, _: &Remote) -> Result<Vec<String>, Failure> {
        panic!("no repositories are listed")
    }

    async fn tags(&self, _: &Remote) -> Result<Vec<String>, Failure> {
        panic!("no tags are listed")
    }
}
