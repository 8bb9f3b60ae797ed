//! What refers to an image of a layout: entries of `index.json` whose manifest has it as `subject` (OCI image spec, manifest.md),
//! and the index under its referrers tag, as some tools write it into layouts too. All calls block.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, RawManifest};
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::image::referrers::{Referring, listed, referrers_tag};
use image_sync_shared::panics::lock;

use super::error::LayoutError;
use super::folder::Folder;

/// How many manifests are remembered.
const CAPACITY: usize = 100_000;

/// What manifests refer to, by their digest: that never changes, so each is read once. A clone shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subjects(Arc<Mutex<HashMap<Digest, Option<Referring>>>>);

impl Subjects {
    fn of(&self, digest: &Digest, read: impl FnOnce() -> Option<Referring>) -> Option<Referring> {
        if let Some(known) = lock(&self.0).get(digest) {
            return known.clone();
        }
        let found = read();
        let mut known = lock(&self.0);
        if known.len() >= CAPACITY {
            known.clear();
        }
        known.insert(digest.clone(), found.clone());
        found
    }
}

impl Folder {
    /// The manifests that refer to `subject`, each once. An entry that cannot be read refers to nothing.
    pub(crate) fn referrers(
        &self,
        subject: &Digest,
        subjects: &Subjects,
    ) -> Result<Vec<Descriptor>, LayoutError> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for entry in self.index()?.descriptors() {
            if media_type::is_docker(&entry.media_type) || !seen.insert(entry.digest.clone()) {
                continue;
            }
            let reference = Reference::Digest(entry.digest.clone());
            let read = || Referring::of(&self.manifest(&reference).ok()?);
            let Some(referring) = subjects.of(&entry.digest, read) else {
                continue;
            };
            if referring.subject == *subject {
                found.push(Descriptor {
                    artifact_type: Some(referring.artifact_type),
                    ..entry
                });
            }
        }
        let known: HashSet<Digest> = found.iter().map(|entry| entry.digest.clone()).collect();
        let tagged = self.listed_under_tag(subject).into_iter();
        found.extend(tagged.filter(|entry| !known.contains(&entry.digest)));
        Ok(found)
    }

    /// What the index under the referrers tag lists.
    fn listed_under_tag(&self, subject: &Digest) -> Vec<Descriptor> {
        let tag = Reference::Tag(referrers_tag(subject));
        let index = self.manifest(&tag).ok();
        index
            .and_then(|index| listed(&index.bytes).ok())
            .unwrap_or_default()
    }

    /// Lists a manifest that refers to another one, unless it is listed.
    pub(super) fn list_referrer(
        &self,
        referring: &Referring,
        manifest: &RawManifest,
    ) -> Result<(), LayoutError> {
        self.change_index(|index| index.add_nameless(manifest, &referring.artifact_type))
    }
}
