//! Manifests and indexes (OCI image spec, manifest.md and image-index.md; Docker image manifest v2), as far as copying
//! needs to understand them: what is not understood is carried along unread.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Digest;
use crate::media_type;
use crate::platform::Platform;
use crate::text::bounded;

/// The largest manifest that is read, in bytes, as the distribution spec advises.
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;
/// The annotation by which BuildKit's attestation manifests name the manifest that they attest.
pub const ATTESTED_DIGEST: &str = "vnd.docker.reference.digest";

/// A content descriptor (OCI image spec, descriptor.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The type of the content.
    #[serde(default)]
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes.
    pub size: u64,
    /// Other places to get the content from; never followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The platform of a child of an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<StatedPlatform>,
    /// The type of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The content itself, in base64, where it is small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// A platform as an index states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedPlatform {
    /// Architecture.
    pub architecture: String,
    /// Operating system.
    pub os: String,
    /// Version of the operating system, as Windows images have it.
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// Features of the operating system.
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// Variant of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl StatedPlatform {
    /// Its normal form.
    #[must_use]
    pub fn normal(&self) -> Platform {
        Platform::stated(&self.os, &self.architecture, self.variant.as_deref())
    }
}

/// A manifest as a registry serves it: the bytes that its digest is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawManifest {
    /// The media type that the registry states.
    pub media_type: String,
    /// The digest of the bytes.
    pub digest: Digest,
    /// The bytes.
    pub bytes: bytes::Bytes,
}

/// What a manifest refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manifest {
    /// A list of manifests.
    Index {
        /// The listed manifests, in their order.
        children: Vec<Descriptor>,
    },
    /// An image or artifact.
    Image {
        /// All blobs that it refers to (configuration, layers), in their order, each once.
        blobs: Vec<Descriptor>,
    },
}

/// Why bytes are not a manifest that can be copied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidManifest {
    /// Not JSON, or JSON of another shape.
    #[error("the manifest is not valid JSON of a manifest: {0}")]
    Json(String),
    /// Docker schema 1.
    #[error(
        "the manifest is Docker schema 1, which cannot be copied unchanged: push the image again with a current tool"
    )]
    Schema1,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyManifest {
    #[serde(default)]
    schema_version: u32,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    /// Of the OCI artifact manifest, which the image spec 1.1 dropped before its release but which registries hold.
    blobs: Option<Vec<Descriptor>>,
}

impl RawManifest {
    /// Reads what the manifest refers to. A manifest without a media type is told by its members.
    pub fn parse(&self) -> Result<Manifest, InvalidManifest> {
        if media_type::is_schema1(&self.media_type) {
            return Err(InvalidManifest::Schema1);
        }
        let any: AnyManifest = serde_json::from_slice(&self.bytes)
            .map_err(|error| InvalidManifest::Json(bounded(error)))?;
        if any.schema_version == 1 {
            return Err(InvalidManifest::Schema1);
        }
        let stated = any.media_type.as_deref().unwrap_or(&self.media_type);
        match any.manifests {
            Some(children) if media_type::is_index(stated) || any.config.is_none() => {
                Ok(Manifest::Index { children })
            }
            _ if media_type::is_index(stated) => Err(InvalidManifest::Json(
                "an index without manifests".to_owned(),
            )),
            _ => {
                let blobs = any
                    .config
                    .into_iter()
                    .chain(any.layers.into_iter().flatten());
                Ok(Manifest::Image {
                    blobs: each_once(blobs.chain(any.blobs.into_iter().flatten())),
                })
            }
        }
    }
}

fn each_once(blobs: impl Iterator<Item = Descriptor>) -> Vec<Descriptor> {
    let mut seen = std::collections::HashSet::new();
    blobs
        .filter(|blob| seen.insert(blob.digest.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(media_type: &str, json: &str) -> Result<Manifest, InvalidManifest> {
        let bytes = bytes::Bytes::from(json.to_owned());
        RawManifest {
            media_type: media_type.to_owned(),
            digest: Digest::of(&bytes),
            bytes,
        }
        .parse()
    }

    #[test]
    fn reads_each_kind() {
        let blob = format!(r#"{{"mediaType":"m","digest":"{CONFIG}","size":0}}"#);
        let image = parse(
            "",
            &format!(r#"{{"schemaVersion":2,"config":{blob},"layers":[{blob},{blob}]}}"#),
        )
        .unwrap();
        assert!(matches!(image, Manifest::Image { blobs } if blobs.len() == 1));
        let index = parse(
            "",
            &format!(r#"{{"schemaVersion":2,"manifests":[{blob}]}}"#),
        )
        .unwrap();
        assert!(matches!(index, Manifest::Index { children } if children.len() == 1));
        let artifact = parse(
            "application/vnd.oci.artifact.manifest.v1+json",
            &format!(r#"{{"blobs":[{blob}]}}"#),
        );
        assert!(matches!(artifact.unwrap(), Manifest::Image { blobs } if blobs.len() == 1));
    }

    #[test]
    fn refuses_what_cannot_be_copied() {
        assert!(matches!(
            parse(media_type::OCI_MANIFEST, "<html>"),
            Err(InvalidManifest::Json(_))
        ));
        assert!(matches!(
            parse(media_type::OCI_INDEX, r#"{"schemaVersion":2}"#),
            Err(InvalidManifest::Json(_))
        ));
        assert_eq!(
            parse(media_type::DOCKER_SCHEMA1_SIGNED, "{}"),
            Err(InvalidManifest::Schema1)
        );
        assert_eq!(
            parse("", r#"{"schemaVersion":1,"fsLayers":[]}"#),
            Err(InvalidManifest::Schema1)
        );
    }
}
