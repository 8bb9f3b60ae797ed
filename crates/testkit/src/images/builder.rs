//! Images, and artifacts of any kind.

use std::collections::BTreeMap;

use bytes::Bytes;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::media_type;
use serde::Serialize;

use super::gzip::gzip_of_length;
use super::{Blob, Image, deterministic_bytes, gzip, json, stated, tar};

pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Builds an image of one platform, or an artifact.
#[derive(Clone, Debug)]
pub struct ImageBuilder {
    name: String,
    platform: String,
    created: String,
    docker: bool,
    states_media_type: bool,
    artifact_type: Option<String>,
    config_type: Option<String>,
    subject: Option<Descriptor>,
    annotations: BTreeMap<String, String>,
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
struct Layer {
    descriptor: Descriptor,
    content: Option<Blob>,
    diff_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
    config: Descriptor,
    layers: Vec<&'a Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    #[serde(rename = "config")]
    settings: Settings<'a>,
    rootfs: RootFs<'a>,
    history: Vec<History>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Settings<'a> {
    labels: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
struct RootFs<'a> {
    r#type: &'static str,
    diff_ids: Vec<&'a str>,
}

#[derive(Serialize)]
struct History {
    created_by: &'static str,
}

impl ImageBuilder {
    /// An image without layers, for linux/amd64. Images of different names have different configurations.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            platform: "linux/amd64".to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            docker: false,
            states_media_type: true,
            artifact_type: None,
            config_type: None,
            subject: None,
            annotations: BTreeMap::new(),
            layers: Vec::new(),
        }
    }

    /// Docker image manifest schema 2 instead of OCI. Call it before adding layers.
    #[must_use]
    pub fn docker(mut self) -> Self {
        self.docker = true;
        self
    }

    /// The platform, as in `linux/arm/v7`.
    #[must_use]
    pub fn platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = platform.into();
        self
    }

    /// What its configuration says of when it was created, as in `2026-01-01T00:00:00Z`.
    #[must_use]
    pub fn created(mut self, created: impl Into<String>) -> Self {
        self.created = created.into();
        self
    }

    /// Leaves the member `mediaType` out of the manifest, as the OCI image spec allows.
    #[must_use]
    pub fn without_media_type(mut self) -> Self {
        self.states_media_type = false;
        self
    }

    /// An artifact of this type in place of an image: its configuration is the empty object.
    #[must_use]
    pub fn artifact_type(mut self, artifact_type: impl Into<String>) -> Self {
        self.artifact_type = Some(artifact_type.into());
        self
    }

    /// An artifact whose type is that of its configuration, which is the empty object, as before the image spec 1.1.
    #[must_use]
    pub fn config_type(mut self, media_type: impl Into<String>) -> Self {
        self.config_type = Some(media_type.into());
        self
    }

    /// Attaches it to another manifest.
    #[must_use]
    pub fn subject(mut self, subject: &Image) -> Self {
        self.subject = Some(subject.as_subject());
        self
    }

    /// An annotation of the manifest.
    #[must_use]
    pub fn annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// A layer of exactly these bytes.
    #[must_use]
    pub fn layer(self, bytes: impl Into<Bytes>) -> Self {
        let media_type = if self.docker {
            DOCKER_LAYER
        } else {
            media_type::OCI_LAYER_GZIP
        };
        self.blob(media_type, bytes)
    }

    /// `count` layers of exactly `length` bytes each; gzip, where 23 bytes or more leave room for that.
    #[must_use]
    pub fn layers(self, count: usize, length: usize) -> Self {
        let name = self.name.clone();
        (0..count).fold(self, |builder, i| {
            let seed = format!("{name} layer {i}");
            match gzip_of_length(&seed, length) {
                Some((content, stream)) => builder.compressed(&content, stream),
                None => builder.layer(deterministic_bytes(&seed, length)),
            }
        })
    }

    /// A real layer, tar with gzip, that holds one file.
    #[must_use]
    pub fn file(self, path: &str, content: &[u8]) -> Self {
        let tar = tar(path, content);
        self.compressed(&tar, gzip(&tar))
    }

    fn compressed(self, content: &[u8], stream: Vec<u8>) -> Self {
        let mut builder = self.layer(stream);
        if let Some(layer) = builder.layers.last_mut() {
            layer.diff_id = Digest::of(content).to_string();
        }
        builder
    }

    /// A layer of another type, or a blob of an artifact.
    #[must_use]
    pub fn blob(mut self, media_type: &str, bytes: impl Into<Bytes>) -> Self {
        let blob = Blob::new(media_type, bytes);
        self.layers.push(Layer {
            descriptor: blob.descriptor(),
            diff_id: blob.digest.to_string(),
            content: Some(blob),
        });
        self
    }

    /// A layer that only its descriptor speaks of: with `urls`, of a foreign type, or missing.
    #[must_use]
    pub fn described(mut self, descriptor: Descriptor, content: Option<Blob>) -> Self {
        self.layers.push(Layer {
            diff_id: descriptor.digest.to_string(),
            descriptor,
            content,
        });
        self
    }

    /// The image.
    #[must_use]
    pub fn build(self) -> Image {
        let config = self.config();
        let media_type = if self.docker {
            media_type::DOCKER_MANIFEST
        } else {
            media_type::OCI_MANIFEST
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type).filter(|_| self.states_media_type),
            artifact_type: self.artifact_type.as_deref(),
            config: config.descriptor(),
            layers: self.layers.iter().map(|layer| &layer.descriptor).collect(),
            subject: self.subject.as_ref(),
            annotations: &self.annotations,
        };
        let mut image = Image::from_bytes(media_type, json(&manifest));
        image.platform = Some(stated(&self.platform)).filter(|_| self.is_image());
        image.blobs = vec![config];
        let layers = self.layers.into_iter().filter_map(|layer| layer.content);
        image.blobs.extend(layers);
        image
    }

    fn is_image(&self) -> bool {
        self.artifact_type.is_none() && self.config_type.is_none()
    }

    fn config(&self) -> Blob {
        if !self.is_image() {
            return Blob::new(self.config_type.as_deref().unwrap_or(EMPTY), "{}");
        }
        let platform = stated(&self.platform);
        let config = Config {
            created: &self.created,
            architecture: &platform.architecture,
            os: &platform.os,
            variant: platform.variant.as_deref(),
            settings: Settings {
                labels: BTreeMap::from([("org.opencontainers.image.title", self.name.as_str())]),
            },
            rootfs: RootFs {
                r#type: "layers",
                diff_ids: self.layers.iter().map(|l| l.diff_id.as_str()).collect(),
            },
            history: self
                .layers
                .iter()
                .map(|_| History {
                    created_by: "image-sync-testkit",
                })
                .collect(),
        };
        let media_type = if self.docker {
            DOCKER_CONFIG
        } else {
            media_type::OCI_CONFIG
        };
        Blob::new(media_type, json(&config))
    }
}

/// A small OCI image with two layers.
#[must_use]
pub fn image(name: &str) -> Image {
    image_with_layers(name, 2, 1024)
}

/// An OCI image with `count` layers of `length` bytes each: it has `count + 1` blobs.
#[must_use]
pub fn image_with_layers(name: &str, count: usize, length: usize) -> Image {
    ImageBuilder::new(name).layers(count, length).build()
}

/// A small Docker schema 2 image with two layers.
#[must_use]
pub fn docker_image(name: &str) -> Image {
    ImageBuilder::new(name).docker().layers(2, 1024).build()
}
