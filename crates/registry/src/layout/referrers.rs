//! What refers to an image of a layout: entries of `index.json` whose manifest has it as `subject` (OCI image spec, manifest.md),
//! and the index under its referrers tag, as some tools write it into layouts too. All calls block.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, MAX_MANIFEST_BYTES, RawManifest};
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::image::referrers::{Referring, listed, referrers_tag};
use image_sync_shared::panics::lock;

use super::error::LayoutError;
use super::folder::Folder;
use super::index::Index;

/// How much is remembered of manifests, in bytes.
const CAPACITY: usize = 64 * 1024 * 1024;
/// What a manifest takes there beside the text of its type, in bytes.
const ENTRY_BYTES: usize = 256;
/// How much is read of manifests to answer once, in bytes: those of some hundred thousand images.
const MOST_READ: u64 = 1024 * 1024 * 1024;
/// The longest artifact type, in bytes: media types have 255 at most (RFC 6838, section 4.2).
const MAX_TYPE: usize = 255;

/// What manifests refer to, by their digest: that never changes, so each is read once. A clone shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subjects(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    by_digest: HashMap<Digest, Option<Refers>>,
    bytes: usize,
}

/// What a manifest says of its subject.
#[derive(Clone, Debug)]
struct Refers {
    subject: Digest,
    artifact_type: Option<String>,
}

/// What is found out about a manifest.
enum Found {
    Refers(Refers),
    Nothing,
    /// It is not there, or no manifest.
    Unreadable,
}

impl Subjects {
    /// What is known of a manifest, if anything.
    fn of(&self, digest: &Digest) -> Option<Found> {
        let known = lock(&self.0);
        let refers = known.by_digest.get(digest)?;
        Some(Found::of(refers.clone()))
    }

    fn keep(&self, digest: &Digest, refers: Option<Refers>) {
        let type_bytes = refers
            .as_ref()
            .and_then(|refers| refers.artifact_type.as_deref())
            .map_or(0, str::len);
        let mut known = lock(&self.0);
        if known.bytes > CAPACITY {
            *known = Known::default();
        }
        known.bytes += ENTRY_BYTES + type_bytes;
        known.by_digest.insert(digest.clone(), refers);
    }
}

impl Found {
    fn of(refers: Option<Refers>) -> Self {
        refers.map_or(Self::Nothing, Self::Refers)
    }
}

impl Refers {
    fn of(manifest: &RawManifest) -> Option<Self> {
        let referring = Referring::of(manifest)?;
        let artifact_type = Some(referring.artifact_type);
        Some(Self {
            subject: referring.subject,
            artifact_type: artifact_type.filter(|of| !of.is_empty() && of.len() <= MAX_TYPE),
        })
    }
}

/// The manifests of a folder, as far as they are read.
struct Manifests<'a> {
    folder: &'a Folder,
    subjects: &'a Subjects,
    /// How many bytes may still be read.
    left: u64,
}

impl Manifests<'_> {
    /// What the manifest of an entry refers to. One that cannot be read is looked at again the next time.
    fn refers(&mut self, entry: &Descriptor) -> Result<Found, LayoutError> {
        if let Some(known) = self.subjects.of(&entry.digest) {
            return Ok(known);
        }
        let Some(manifest) = self.read(entry)? else {
            return Ok(Found::Unreadable);
        };
        let refers = Refers::of(&manifest);
        self.subjects.keep(&entry.digest, refers.clone());
        Ok(Found::of(refers))
    }

    fn read(&mut self, entry: &Descriptor) -> Result<Option<RawManifest>, LayoutError> {
        let size = match self.folder.blob_size(&entry.digest) {
            Ok(Some(size)) if size <= MAX_MANIFEST_BYTES as u64 => size,
            _ => return Ok(None),
        };
        self.left = self.left.checked_sub(size).ok_or_else(|| {
            let path = self.folder.root().display();
            LayoutError::Refused(format!(
                "{path}: its manifests have more bytes than are read to find out what refers to an image"
            ))
        })?;
        let (digest, stated) = (entry.digest.clone(), entry.media_type.clone());
        let read = self
            .folder
            .read_manifest(digest, stated, MAX_MANIFEST_BYTES);
        Ok(read.ok())
    }
}

impl Folder {
    /// The manifests that refer to `subject`, each once. An entry of `index.json` that cannot be read refers to nothing.
    pub(crate) fn referrers(
        &self,
        subject: &Digest,
        subjects: &Subjects,
    ) -> Result<Vec<Descriptor>, LayoutError> {
        self.referrers_within(MOST_READ, subject, subjects)
    }

    fn referrers_within(
        &self,
        left: u64,
        subject: &Digest,
        subjects: &Subjects,
    ) -> Result<Vec<Descriptor>, LayoutError> {
        let index = self.index()?;
        let mut manifests = Manifests {
            folder: self,
            subjects,
            left,
        };
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for entry in index.descriptors() {
            if media_type::is_docker(&entry.media_type) || !seen.insert(entry.digest.clone()) {
                continue;
            }
            if let Found::Refers(refers) = manifests.refers(&entry)?
                && refers.subject == *subject
            {
                found.push(referrer(entry, refers.artifact_type));
            }
        }
        let mut seen: HashSet<Digest> = found.iter().map(|entry| entry.digest.clone()).collect();
        for entry in self.listed_under_tag(&index, subject) {
            if !seen.insert(entry.digest.clone()) {
                continue;
            }
            match manifests.refers(&entry)? {
                Found::Refers(refers) if refers.subject == *subject => {
                    found.push(referrer(entry, refers.artifact_type));
                }
                // It is said to be one, so who copies it tells that it is not there.
                Found::Unreadable => found.push(referrer(entry, None)),
                Found::Refers(_) | Found::Nothing => {}
            }
        }
        Ok(found)
    }

    /// Those that it is counted on that the other side has.
    pub(crate) fn known_referrers(&self, subject: &Digest) -> impl Iterator<Item = Descriptor> {
        let known = self.known().into_iter().flat_map(|known| &known.referrers);
        let of_subject = known.filter(move |referrer| referrer.subject == *subject);
        of_subject.map(|referrer| referrer.manifest.clone())
    }

    /// What the index under the referrers tag lists.
    fn listed_under_tag(&self, index: &Index, subject: &Digest) -> Vec<Descriptor> {
        let tag = Reference::Tag(referrers_tag(subject));
        let found = if self.is_archive() {
            index.find_named(&self.name_of(&tag))
        } else {
            index.find(&tag)
        };
        let Ok(Some(entry)) = found else {
            return Vec::new();
        };
        let read = self.read_manifest(entry.digest, entry.media_type, MAX_MANIFEST_BYTES);
        let index = read.ok();
        let entries = index.and_then(|index| listed(&index.bytes).ok());
        entries.unwrap_or_default()
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

/// An entry as one of a list of referrers.
fn referrer(entry: Descriptor, artifact_type: Option<String>) -> Descriptor {
    Descriptor {
        artifact_type,
        ..entry
    }
}

#[cfg(test)]
mod tests;
