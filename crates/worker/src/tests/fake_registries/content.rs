//! What a repository has.

use std::collections::HashMap;

use bytes::Bytes;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, Manifest, RawManifest};
use image_sync_shared::image::referrers::Referring;

#[derive(Default)]
pub(super) struct Content {
    pub(super) blobs: HashMap<Digest, Bytes>,
    pub(super) manifests: HashMap<Digest, RawManifest>,
    pub(super) tags: HashMap<String, Digest>,
}

impl Content {
    /// The manifests that refer to `subject`, in the order of their digests.
    pub(super) fn referrers(&self, subject: &Digest) -> Vec<Descriptor> {
        let referring = self.manifests.values().filter_map(|manifest| {
            let referring = Referring::of(manifest)?;
            let descriptor = referring.descriptor(manifest);
            (referring.subject == *subject).then(|| serde_json::from_value(descriptor).unwrap())
        });
        let mut referring: Vec<Descriptor> = referring.collect();
        referring.sort_by(|one, other| one.digest.as_str().cmp(other.digest.as_str()));
        referring
    }
}

/// Whether all that a manifest refers to is there, down to the last blob.
pub(super) fn is_complete(content: &Content, manifest: &RawManifest) -> bool {
    match manifest.parse().unwrap() {
        Manifest::Image { blobs, foreign } => {
            let there = |blob: &Descriptor| content.blobs.contains_key(&blob.digest);
            blobs.iter().all(there)
                && foreign
                    .iter()
                    .all(|layer| there(layer) || !layer.urls.is_empty())
        }
        Manifest::Index { children } => children.iter().all(|child| {
            let manifest = content.manifests.get(&child.digest);
            manifest.is_some_and(|manifest| is_complete(content, manifest))
        }),
    }
}
