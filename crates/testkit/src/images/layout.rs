//! OCI image layout folders (OCI image spec, image-layout.md).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::media_type;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use super::{Image, json};
use crate::complete::{KnownBlob, RepositoryContent, StoredManifest, problems};

/// The annotation that holds a tag.
const TAG: &str = "org.opencontainers.image.ref.name";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: Option<String>,
    manifests: Vec<Descriptor>,
}

/// Writes images with their tags as a layout folder, which is made if it is not there; one without a tag is listed without a name.
/// What is in the folder stays, but `index.json` lists these images alone.
pub fn write_layout(folder: &Path, images: &[(&str, &Image)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(
        folder.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )?;
    for (_, image) in images {
        for blob in image.all_blobs() {
            write_blob(folder, &blob.digest, &blob.bytes)?;
        }
        for manifest in image.manifests() {
            write_blob(folder, &manifest.digest, &manifest.bytes)?;
        }
    }
    let index = Index {
        schema_version: 2,
        media_type: Some(media_type::OCI_INDEX.to_owned()),
        manifests: images
            .iter()
            .map(|(tag, image)| tagged(tag, image))
            .collect(),
    };
    fs::write(folder.join("index.json"), json(&index))
}

/// The tags of a layout folder and the digests that they point at, in the order of `index.json`.
pub fn layout_tags(folder: &Path) -> io::Result<Vec<(String, Descriptor)>> {
    let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json"))?)?;
    let manifests = index["manifests"].as_array().into_iter().flatten();
    let tagged = manifests.filter_map(|manifest| {
        let tag = manifest["annotations"][TAG].as_str()?.to_owned();
        let descriptor = Descriptor::deserialize(manifest).map_err(io::Error::from);
        Some(descriptor.map(|descriptor| (tag, descriptor)))
    });
    tagged.collect()
}

/// A blob or manifest of a layout folder; none if it is not there.
pub fn layout_blob(folder: &Path, digest: &Digest) -> io::Result<Option<Bytes>> {
    match fs::read(path(folder, digest)) {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is missing or wrong below the tags of a layout folder; a sentence each.
pub fn incomplete_layout_tags(folder: &Path) -> io::Result<Vec<String>> {
    let tags = layout_tags(folder)?;
    let content = Folder {
        folder,
        tags: &tags,
    };
    let tags = tags.iter().map(|(tag, _)| tag);
    Ok(tags.flat_map(|tag| problems(&content, tag, tag)).collect())
}

struct Folder<'a> {
    folder: &'a Path,
    tags: &'a [(String, Descriptor)],
}

impl RepositoryContent for Folder<'_> {
    fn manifest(&self, reference: &str) -> Option<StoredManifest> {
        let tagged = self.tags.iter().find(|(tag, _)| tag == reference);
        let digest = match tagged {
            Some((_, descriptor)) => descriptor.digest.clone(),
            None => reference.parse().ok()?,
        };
        Some(StoredManifest {
            bytes: layout_blob(self.folder, &digest).ok()??,
            digest: digest.to_string(),
            media_type: tagged.map_or_else(String::new, |(_, d)| d.media_type.clone()),
        })
    }

    fn blob(&self, digest: &str) -> Option<KnownBlob> {
        let bytes = layout_blob(self.folder, &digest.parse().ok()?).ok()??;
        Some(KnownBlob::Bytes(bytes))
    }
}

fn tagged(tag: &str, image: &Image) -> Descriptor {
    let mut descriptor = image.descriptor();
    if !tag.is_empty() {
        let annotations = &mut descriptor.annotations;
        annotations.insert(TAG.to_owned(), tag.to_owned());
    }
    descriptor
}

fn write_blob(folder: &Path, digest: &Digest, bytes: &Bytes) -> io::Result<()> {
    let path = path(folder, digest);
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, bytes)
}

fn path(folder: &Path, digest: &Digest) -> PathBuf {
    let blobs = folder.join("blobs").join(digest.algorithm_name());
    blobs.join(digest.hex())
}
