//! Images that are rare, old or wrong.

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, MAX_MANIFEST_BYTES};
use image_sync_shared::image::media_type;

use super::{Blob, Image, ImageBuilder, descriptor, deterministic_bytes, image, index};

/// An OCI image whose manifest has no member `mediaType`.
#[must_use]
pub fn without_media_type(name: &str) -> Image {
    ImageBuilder::new(name)
        .without_media_type()
        .layers(2, 1024)
        .build()
}

/// A Docker schema 1 manifest; no registry of today takes it.
#[must_use]
pub fn schema1(name: &str) -> Image {
    let json = format!(
        r#"{{"schemaVersion":1,"name":"{name}","tag":"1","architecture":"amd64","fsLayers":[],"history":[],"signatures":[]}}"#
    );
    Image::from_bytes(media_type::DOCKER_SCHEMA1_SIGNED, json)
}

/// A Docker image whose first layer is foreign: described with `urls`, not kept by the registry.
#[must_use]
pub fn foreign_layer(name: &str, url: &str) -> Image {
    let content = deterministic_bytes(&format!("{name} foreign"), 512);
    let layer = Blob::new(
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        content,
    );
    let descriptor = Descriptor {
        urls: vec![url.to_owned()],
        ..layer.descriptor()
    };
    ImageBuilder::new(name)
        .docker()
        .described(descriptor, None)
        .layers(1, 512)
        .build()
}

/// An OCI image with an ordinary layer that the registry keeps, and whose descriptor names another place for it.
#[must_use]
pub fn with_urls(name: &str, url: &str) -> Image {
    let layer = Blob::new(
        media_type::OCI_LAYER_GZIP,
        deterministic_bytes(&format!("{name} urls"), 512),
    );
    let descriptor = Descriptor {
        urls: vec![url.to_owned()],
        ..layer.descriptor()
    };
    ImageBuilder::new(name)
        .described(descriptor, Some(layer))
        .build()
}

/// An index that lists a digest under which the registry will serve the index itself, and that digest. No true digest can
/// do that, so the registry must be told to lie: see [`crate::FakeRegistry::put_manifest_as`].
#[must_use]
pub fn self_containing_index(name: &str) -> (Image, Digest) {
    let claimed = Digest::of(name.as_bytes());
    let child = descriptor(media_type::OCI_INDEX, &claimed, 512);
    let image = index::from_descriptors(media_type::OCI_INDEX, vec![child], Vec::new());
    (image, claimed)
}

/// A manifest just over the size that is read.
#[must_use]
pub fn oversized(name: &str) -> Image {
    ImageBuilder::new(name)
        .annotation("padding", "x".repeat(MAX_MANIFEST_BYTES))
        .layers(1, 512)
        .build()
}

/// Something that claims to be a manifest and is a web page.
#[must_use]
pub fn not_json(name: &str) -> Image {
    let page = format!("<html><body>Sign in to see {name}</body></html>");
    Image::from_bytes(media_type::OCI_MANIFEST, page)
}

/// An image whose manifest, configuration and layer are of types that nobody knows.
#[must_use]
pub fn unknown_artifact_manifest(name: &str) -> Image {
    let known = image(name);
    Image {
        platform: None,
        ..ImageBuilder::new(name)
            .artifact_type("application/vnd.example.unheard-of.v9+json")
            .blob("application/vnd.example.content.v9", known.bytes().clone())
            .build()
    }
}
