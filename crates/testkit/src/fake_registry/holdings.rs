//! What a registry holds, put there and looked at by the test without a request.

use bytes::Bytes;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::RawManifest;

use super::registry::FakeRegistry;
use super::store::content::{Content, Synthetic};
use crate::complete::StoredManifest;
use crate::images::Image;

/// Content.
impl FakeRegistry {
    /// Puts an image with all that belongs to it, and moves a tag to it.
    pub fn put_image(&self, repository: &str, tag: &str, image: &Image) {
        self.put_untagged(repository, image);
        self.tag(repository, tag, image.digest());
    }

    /// Puts an image with all that belongs to it, without a tag.
    pub fn put_untagged(&self, repository: &str, image: &Image) {
        for blob in image.all_blobs() {
            self.put_blob(repository, &blob.digest, blob.bytes.clone());
        }
        for manifest in image.manifests() {
            self.put_manifest_as(repository, &manifest.digest, manifest);
        }
    }

    /// Puts a manifest under a digest, be it the true one or not.
    pub fn put_manifest_as(&self, repository: &str, digest: &Digest, manifest: &RawManifest) {
        let stored = StoredManifest {
            digest: digest.to_string(),
            media_type: manifest.media_type.clone(),
            bytes: manifest.bytes.clone(),
        };
        self.shared.store.put_manifest(repository, stored);
    }

    /// Moves a tag.
    pub fn tag(&self, repository: &str, tag: &str, digest: &Digest) {
        self.shared.store.tag(repository, tag, digest.as_str());
    }

    /// Removes a tag.
    pub fn remove_tag(&self, repository: &str, tag: &str) {
        self.shared.store.remove_tag(repository, tag);
    }

    /// Puts a blob under a digest, be it the true one or not.
    pub fn put_blob(&self, repository: &str, digest: &Digest, bytes: impl Into<Bytes>) {
        let content = Content::Bytes(bytes.into());
        self.shared
            .store
            .put_blob(repository, digest.as_str(), content);
    }

    /// Puts a blob that takes no memory.
    pub fn put_synthetic_blob(&self, repository: &str, digest: &Digest, blob: &Synthetic) {
        let content = Content::Synthetic(blob.clone());
        self.shared
            .store
            .put_blob(repository, digest.as_str(), content);
    }

    /// Removes a blob.
    pub fn remove_blob(&self, repository: &str, digest: &Digest) {
        self.shared.store.remove_blob(repository, digest.as_str());
    }

    /// Makes an empty repository.
    pub fn create_repository(&self, repository: &str) {
        self.shared.store.create_repository(repository);
    }

    /// The manifest that a tag or digest names.
    #[must_use]
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<RawManifest> {
        let stored = self.shared.store.manifest(repository, reference)?;
        Some(RawManifest {
            digest: stored.digest.parse().ok()?,
            media_type: stored.media_type,
            bytes: stored.bytes,
        })
    }

    /// The digest that a tag points at.
    #[must_use]
    pub fn digest(&self, repository: &str, tag: &str) -> Option<Digest> {
        Some(self.manifest(repository, tag)?.digest)
    }

    /// A blob; none if it is missing, or not held in memory.
    #[must_use]
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Bytes> {
        match self.shared.store.blob(repository, digest.as_str())? {
            Content::Bytes(bytes) => Some(bytes),
            Content::Synthetic(_) | Content::Discarded(_) => None,
        }
    }

    /// Whether a repository has a blob.
    #[must_use]
    pub fn has_blob(&self, repository: &str, digest: &Digest) -> bool {
        self.shared
            .store
            .blob(repository, digest.as_str())
            .is_some()
    }

    /// The tags of a repository; none if there is no such repository.
    #[must_use]
    pub fn tags(&self, repository: &str) -> Vec<String> {
        self.shared.store.tags(repository).unwrap_or_default()
    }

    /// The repositories.
    #[must_use]
    pub fn repositories(&self) -> Vec<String> {
        self.shared.store.repositories()
    }

    /// The upload sessions that were neither finished nor cancelled.
    #[must_use]
    pub fn open_uploads(&self) -> Vec<String> {
        self.shared.store.open_uploads()
    }

    /// What is missing or wrong below the tags; a sentence each.
    #[must_use]
    pub fn incomplete_tags(&self) -> Vec<String> {
        self.shared.store.problems()
    }

    /// Proves that all that the tags refer to is in their repository, with the right digests.
    ///
    /// # Panics
    ///
    /// If something is missing or wrong.
    pub fn assert_every_tag_is_complete(&self) {
        let problems = self.incomplete_tags();
        assert!(problems.is_empty(), "incomplete tags: {problems:#?}");
    }
}
