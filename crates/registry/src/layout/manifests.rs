//! The manifests of a layout. All calls block.

use std::fs;

use image_sync_shared::digest::{Digest, Hasher};
use image_sync_shared::manifest::{Descriptor, MAX_MANIFEST_BYTES, Manifest, RawManifest};
use image_sync_shared::media_type;
use image_sync_shared::ports::registries::Resolved;
use image_sync_shared::reference::Reference;
use serde_json::Value;

use super::error::LayoutError;
use super::folder::Folder;

impl Folder {
    /// What an image's tag or digest stands for.
    pub(crate) fn resolve(&self, reference: &Reference) -> Result<Resolved, LayoutError> {
        let manifest = self.manifest(reference)?;
        Ok(Resolved {
            digest: manifest.digest,
            media_type: manifest.media_type,
        })
    }

    /// Reads a manifest, whose bytes have the digest that the layout names.
    pub(crate) fn manifest(&self, reference: &Reference) -> Result<RawManifest, LayoutError> {
        let index = self.index()?;
        let listed = index
            .find(reference)
            .map_err(|reason| LayoutError::Malformed {
                path: self.root().join("index.json"),
                reason,
            })?;
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
                    tags: index.tags(),
                    nameless: index.nameless(),
                });
            }
        };
        self.read_manifest(digest, stated)
    }

    fn read_manifest(&self, digest: Digest, stated: String) -> Result<RawManifest, LayoutError> {
        let path = self.blob_path(&digest);
        let malformed = |reason| LayoutError::Malformed {
            path: path.clone(),
            reason,
        };
        match self.blob_size(&digest)? {
            None => {
                return Err(LayoutError::NoBlob {
                    path: self.root().to_owned(),
                    digest,
                });
            }
            Some(size) if size > MAX_MANIFEST_BYTES as u64 => {
                return Err(malformed(format!(
                    "the manifest has {size} bytes, expected at most {MAX_MANIFEST_BYTES}"
                )));
            }
            Some(_) => {}
        }
        let bytes = fs::read(&path).map_err(LayoutError::io(&path))?;
        let found = hash(&bytes, &digest);
        if found != digest {
            return Err(LayoutError::Mismatch {
                path,
                found: found.to_string(),
                expected: digest.to_string(),
            });
        }
        let media_type = if stated.is_empty() {
            media_type_of(&bytes).map_err(malformed)?
        } else {
            stated
        };
        Ok(RawManifest {
            media_type,
            digest,
            bytes: bytes.into(),
        })
    }

    /// Writes a manifest whose blobs and children are all there; a tag comes last.
    pub(crate) fn push(
        &self,
        reference: &Reference,
        manifest: &RawManifest,
    ) -> Result<(), LayoutError> {
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
        for blob in required(manifest)? {
            self.check_blob(&blob)?;
        }
        self.prepare()?;
        self.write_blob(&digest, &manifest.bytes)?;
        match reference {
            Reference::Tag(tag) => self.tag(tag, &digest, manifest),
            Reference::Digest(_) => Ok(()),
        }
    }

    fn tag(&self, tag: &str, digest: &Digest, manifest: &RawManifest) -> Result<(), LayoutError> {
        let lock = self.lock()?;
        let mut index = self.index()?;
        let descriptor = Descriptor {
            media_type: media_type::essence(&manifest.media_type).to_owned(),
            digest: digest.clone(),
            size: manifest.bytes.len() as u64,
            urls: Vec::new(),
            annotations: std::collections::BTreeMap::new(),
            platform: None,
            artifact_type: None,
            data: None,
        };
        if index.set_tag(tag, &descriptor) {
            self.sync_blob_folders()?;
            self.replace_index(&index, &lock)?;
        }
        self.remove_stale(&lock)
    }
}

/// The blobs and children that must be there before the manifest is.
fn required(manifest: &RawManifest) -> Result<Vec<Descriptor>, LayoutError> {
    let parsed = manifest
        .parse()
        .map_err(|error| LayoutError::Refused(error.to_string()))?;
    Ok(match parsed {
        Manifest::Index { children } => children,
        Manifest::Image { blobs } => blobs
            .into_iter()
            .filter(|blob| !media_type::is_foreign_layer(&blob.media_type))
            .collect(),
    })
}

fn hash(bytes: &[u8], like: &Digest) -> Digest {
    let mut hasher = Hasher::new(like.algorithm());
    hasher.update(bytes);
    hasher.finish()
}

/// The media type of a manifest that nobody states: its own `mediaType`, else told by its members.
fn media_type_of(bytes: &[u8]) -> Result<String, String> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("the manifest is not valid JSON: {error}"))?;
    if let Some(stated) = value["mediaType"].as_str() {
        return Ok(stated.to_owned());
    }
    if value["manifests"].is_array() {
        Ok(media_type::OCI_INDEX.to_owned())
    } else if value["config"].is_object() {
        Ok(media_type::OCI_MANIFEST.to_owned())
    } else {
        Err("a manifest has \"manifests\" or \"config\", this has neither".to_owned())
    }
}
