//! The manifests of a layout. All calls block.

use std::collections::HashSet;

use image_sync_shared::image::digest::{Digest, Hasher};
use image_sync_shared::image::manifest::{
    Descriptor, MAX_MANIFEST_BYTES, Manifest, RawManifest, told_media_type,
};
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::image::referrers::Referring;
use image_sync_shared::ports::transfer::registries::{Pushed, Resolved};

use super::error::LayoutError;
use super::folder::Folder;
use super::index::Index;

/// How deep indexes may list indexes.
const MAX_DEPTH: usize = 8;

impl Folder {
    /// What an image's tag or digest stands for.
    pub(crate) fn resolve(&self, reference: &Reference) -> Result<Resolved, LayoutError> {
        let manifest = self.manifest(reference)?;
        Ok(Resolved {
            digest: manifest.digest,
            media_type: manifest.media_type,
        })
    }

    /// The same of a manifest with all that it refers to, which counts as not there otherwise.
    pub(crate) fn resolve_complete(&self, reference: &Reference) -> Result<Resolved, LayoutError> {
        let manifest = self.manifest(reference)?;
        match self.check_complete(&manifest, 0, &mut HashSet::new()) {
            Err(LayoutError::Refused(_)) => Err(self.no_blob(&manifest.digest)),
            checked => checked.map(|()| Resolved {
                digest: manifest.digest,
                media_type: manifest.media_type,
            }),
        }
    }

    /// Reads a manifest, whose bytes have the digest that the layout names.
    pub(crate) fn manifest(&self, reference: &Reference) -> Result<RawManifest, LayoutError> {
        self.manifest_up_to(MAX_MANIFEST_BYTES, reference)
    }

    /// The same of a manifest that has no more than `limit` bytes.
    pub(crate) fn manifest_up_to(
        &self,
        limit: usize,
        reference: &Reference,
    ) -> Result<RawManifest, LayoutError> {
        let index = self.index()?;
        let listed = match reference {
            Reference::Tag(_) if self.is_archive() => index.find_named(&self.name_of(reference)),
            _ => index.find(reference),
        };
        let listed = listed.map_err(|reason| self.malformed_index(reason))?;
        let (digest, stated) = match (listed, reference) {
            (Some(listed), _) => (listed.digest, listed.media_type),
            // Children of an index are not in index.json.
            (None, Reference::Digest(digest)) if self.blob_size(digest)?.is_some() => {
                (digest.clone(), String::new())
            }
            (None, _) => {
                return Err(LayoutError::NoImage {
                    path: self.root().to_owned(),
                    reference: reference.clone(),
                    tags: self.tags(&index),
                    nameless: self.nameless(&index),
                });
            }
        };
        self.read_manifest(digest, stated, limit.min(MAX_MANIFEST_BYTES))
    }

    /// Reads a manifest of the media type `stated`, or of the one that it has where none is stated.
    pub(super) fn read_manifest(
        &self,
        digest: Digest,
        stated: String,
        limit: usize,
    ) -> Result<RawManifest, LayoutError> {
        let path = self.blob_path(&digest);
        let bytes = self.read_blob(&digest, limit)?;
        let media_type = if stated.is_empty() {
            media_type_of(&bytes).map_err(|reason| LayoutError::Malformed { path, reason })?
        } else {
            stated
        };
        Ok(RawManifest {
            media_type,
            digest,
            bytes: bytes.into(),
        })
    }

    /// The bytes of a blob that has no more than `limit`.
    fn read_blob(&self, digest: &Digest, limit: usize) -> Result<Vec<u8>, LayoutError> {
        let bytes = self.read_file_of(digest, limit)?;
        let bytes = bytes.ok_or_else(|| self.no_blob(digest))?;
        let found = hash(&bytes, digest);
        if found == *digest {
            return Ok(bytes);
        }
        Err(LayoutError::Mismatch {
            path: self.blob_path(digest),
            found: found.to_string(),
            expected: digest.to_string(),
        })
    }

    /// Whether all that a manifest refers to is there, down to the blobs of its children's children.
    fn check_complete(
        &self,
        manifest: &RawManifest,
        depth: usize,
        seen: &mut HashSet<Digest>,
    ) -> Result<(), LayoutError> {
        let refers = manifest
            .parse()
            .map_err(|error| LayoutError::Refused(error.to_string()))?;
        let children = match refers {
            Manifest::Image { blobs, .. } => {
                return blobs.iter().try_for_each(|blob| self.check_blob(blob));
            }
            Manifest::Index { children } => children,
        };
        if depth > MAX_DEPTH {
            return Err(LayoutError::Refused(format!(
                "indexes list indexes more than {MAX_DEPTH} levels deep"
            )));
        }
        for child in children {
            self.check_blob(&child)?;
            if child.is_listed_blob() || !seen.insert(child.digest.clone()) {
                continue;
            }
            let bytes = self.read_blob(&child.digest, MAX_MANIFEST_BYTES)?;
            let child = RawManifest {
                media_type: child.media_type,
                digest: child.digest,
                bytes: bytes.into(),
            };
            self.check_complete(&child, depth + 1, seen)?;
        }
        Ok(())
    }

    /// Writes a manifest whose blobs and children are all there; a tag comes last.
    pub(crate) fn push(
        &self,
        reference: &Reference,
        manifest: &RawManifest,
    ) -> Result<Pushed, LayoutError> {
        let expected = match reference {
            Reference::Digest(digest) => digest,
            Reference::Tag(_) => &manifest.digest,
        };
        let digest = hash(&manifest.bytes, expected);
        if digest != *expected {
            return Err(LayoutError::Refused(format!(
                "the manifest has the digest {digest}, expected {expected}"
            )));
        }
        self.check_complete(manifest, 0, &mut HashSet::new())?;
        self.prepare()?;
        self.write_blob(&digest, &manifest.bytes)?;
        let referring = Referring::of(manifest);
        match (reference, &referring) {
            (Reference::Tag(tag), _) => self.tag(tag, manifest)?,
            (Reference::Digest(_), Some(referring)) => self.list_referrer(referring, manifest)?,
            (Reference::Digest(_), None) => {}
        }
        Ok(Pushed {
            subject: referring.map(|referring| referring.subject),
        })
    }

    /// What a tag is counted on to stand for, although it is not there.
    pub(crate) fn known_image(&self, reference: &Reference) -> Option<Resolved> {
        let image = self.known()?.images.get(&reference.to_string())?;
        Some(Resolved {
            digest: image.digest.clone(),
            media_type: image.media_type.clone(),
        })
    }

    /// The index of a digest that is counted on, although it is not there.
    pub(crate) fn known_manifest(&self, reference: &Reference) -> Option<RawManifest> {
        let Reference::Digest(digest) = reference else {
            return None;
        };
        let bytes = self.known_index(digest)?.as_bytes().to_vec();
        Some(RawManifest {
            media_type: media_type_of(&bytes).ok()?,
            digest: digest.clone(),
            bytes: bytes.into(),
        })
    }

    pub(super) fn malformed_index(&self, reason: String) -> LayoutError {
        LayoutError::Malformed {
            path: self.root().join("index.json"),
            reason,
        }
    }

    fn tag(&self, tag: &str, manifest: &RawManifest) -> Result<(), LayoutError> {
        let name = self.name_of(&Reference::Tag(tag.to_owned()));
        let full_name = self.full_name_of(&name);
        let descriptor = Self::descriptor_of(manifest);
        self.change_index(|index| index.set(&name, full_name, &descriptor))
    }

    /// What stands in `index.json` of a manifest.
    pub(super) fn descriptor_of(manifest: &RawManifest) -> Descriptor {
        Descriptor {
            media_type: media_type::essence(&manifest.media_type).to_owned(),
            digest: manifest.digest.clone(),
            size: manifest.bytes.len() as u64,
            urls: Vec::new(),
            annotations: std::collections::BTreeMap::new(),
            platform: None,
            artifact_type: None,
            data: None,
        }
    }

    /// Makes a change of `index.json`, which tells whether it changes anything.
    pub(super) fn change_index(
        &self,
        change: impl FnOnce(&mut Index) -> Result<bool, String>,
    ) -> Result<(), LayoutError> {
        let lock = self.lock()?;
        let mut index = self.index()?;
        let changed = change(&mut index);
        if changed.map_err(|reason| self.malformed_index(reason))? {
            // The names of the blobs first: after a power cut the index must lead to nothing that is not there.
            self.sync_blob_folders()?;
            self.replace_index(&index, &lock)?;
        }
        self.remove_stale(&lock)
    }
}

fn hash(bytes: &[u8], like: &Digest) -> Digest {
    let mut hasher = Hasher::new(like.algorithm());
    hasher.update(bytes);
    hasher.finish()
}

/// The media type of a manifest that nobody states.
fn media_type_of(bytes: &[u8]) -> Result<String, String> {
    let told = told_media_type(bytes)
        .map_err(|error| format!("the manifest is not valid JSON: {error}"))?;
    told.ok_or_else(|| "a manifest has \"manifests\" or \"config\", this has neither".to_owned())
}
