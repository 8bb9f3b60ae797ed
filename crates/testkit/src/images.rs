//! Builders of images of every kind that a registry may hold. The same call always makes the same bytes.

mod artifacts;
mod builder;
pub mod examples;
mod gzip;
mod index;
mod layout;
mod made_up;
mod odd;
mod tar;

use bytes::Bytes;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, RawManifest, StatedPlatform};
use image_sync_shared::image::platform::Platform;
use serde::Serialize;

pub use artifacts::{
    artifact, cosign_attestation, cosign_bundle, cosign_sbom, cosign_signature,
    in_toto_attestation, notation_signature, referrers_index,
};
pub(crate) use builder::DOCKER_CONFIG;
pub use builder::{ImageBuilder, docker_image, image, image_with_layers};
pub use gzip::gzip;
pub use index::{artifact_index, docker_list, index, index_of, index_with_attestations};
pub use layout::{incomplete_layout_tags, layout_blob, layout_tags, write_layout};
pub use made_up::MadeUp;
pub use odd::{
    foreign_layer, not_json, oversized, schema1, self_containing_index, unknown_artifact_manifest,
    with_urls, without_media_type,
};
pub use tar::tar;

/// An image with everything that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The manifest or index.
    pub manifest: RawManifest,
    /// The blobs that the manifest refers to and that a registry must hold: the configuration first.
    pub blobs: Vec<Blob>,
    /// The listed manifests of an index.
    pub children: Vec<Image>,
    /// The platform, as an index states it.
    pub platform: Option<StatedPlatform>,
}

/// A blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its content.
    pub bytes: Bytes,
}

impl Blob {
    /// A blob of `bytes`.
    pub fn new(media_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            media_type: media_type.into(),
            digest: Digest::of(&bytes),
            bytes,
        }
    }

    /// Its descriptor.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        descriptor(&self.media_type, &self.digest, self.bytes.len())
    }
}

impl Image {
    /// An image whose manifest is `bytes`, whatever they are.
    pub fn from_bytes(media_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            manifest: RawManifest {
                media_type: media_type.into(),
                digest: Digest::of(&bytes),
                bytes,
            },
            blobs: Vec::new(),
            children: Vec::new(),
            platform: None,
        }
    }

    /// The digest of the manifest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.manifest.digest
    }

    /// The media type of the manifest.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.manifest.media_type
    }

    /// The bytes of the manifest.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.manifest.bytes
    }

    /// The descriptor by which an index lists it.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            platform: self.platform.clone(),
            ..descriptor(self.media_type(), self.digest(), self.bytes().len())
        }
    }

    /// The descriptor by which a manifest that is attached to it names it.
    fn as_subject(&self) -> Descriptor {
        descriptor(self.media_type(), self.digest(), self.bytes().len())
    }

    /// Its manifest and those of all descendants, children before their index.
    #[must_use]
    pub fn manifests(&self) -> Vec<&RawManifest> {
        let mut all: Vec<&RawManifest> = self.children.iter().flat_map(Self::manifests).collect();
        all.push(&self.manifest);
        all
    }

    /// Its blobs and those of all descendants; shared ones come more than once.
    #[must_use]
    pub fn all_blobs(&self) -> Vec<&Blob> {
        let children = self.children.iter().flat_map(Self::all_blobs);
        self.blobs.iter().chain(children).collect()
    }

    /// The child of an index for `platform`, as in `linux/arm64`.
    #[must_use]
    pub fn child(&self, platform: &str) -> Option<&Image> {
        let wanted: Platform = platform.parse().ok()?;
        self.children.iter().find(|child| {
            child
                .platform
                .as_ref()
                .is_some_and(|p| p.normal() == wanted)
        })
    }
}

/// Bytes without a pattern that depend on `seed` and `length` alone.
#[must_use]
pub fn deterministic_bytes(seed: &str, length: usize) -> Bytes {
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

fn descriptor(media_type: &str, digest: &Digest, size: usize) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: digest.clone(),
        size: size as u64,
        urls: Vec::new(),
        annotations: std::collections::BTreeMap::new(),
        platform: None,
        artifact_type: None,
        data: None,
    }
}

fn stated(platform: &str) -> StatedPlatform {
    let mut parts = platform.split('/');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    StatedPlatform {
        os: next(),
        architecture: next(),
        os_version: None,
        os_features: Vec::new(),
        variant: Some(next()).filter(|variant| !variant.is_empty()),
    }
}

/// The members in the order of the type's fields, so that the bytes do not depend on the features of `serde_json`.
#[expect(
    clippy::expect_used,
    reason = "the types of this module have string keys only"
)]
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("serializable").into()
}

#[cfg(test)]
mod tests {
    use image_sync_shared::image::manifest::{
        ATTESTED_DIGEST, InvalidManifest, MAX_MANIFEST_BYTES, Manifest,
    };
    use image_sync_shared::image::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX};

    use super::*;

    fn children(image: &Image) -> Vec<Descriptor> {
        match image.manifest.parse() {
            Ok(Manifest::Index { children }) => children,
            other => panic!("an index, not {other:?}"),
        }
    }

    fn blobs(image: &Image) -> Vec<Descriptor> {
        match image.manifest.parse() {
            Ok(Manifest::Image { blobs, foreign }) => [blobs, foreign].concat(),
            other => panic!("an image, not {other:?}"),
        }
    }

    #[test]
    fn a_name_makes_the_same_image_each_time_and_no_other_name_does() {
        assert_eq!(image("a"), image("a"));
        assert_ne!(image("a").digest(), image("b").digest());
        let image = image_with_layers("a", 3, 500);
        let described: Vec<_> = blobs(&image)
            .iter()
            .map(|b| (b.digest.clone(), b.size))
            .collect();
        let held = image
            .blobs
            .iter()
            .map(|b| (b.digest.clone(), b.bytes.len() as u64));
        assert_eq!(described, held.collect::<Vec<_>>());
        assert!(described[1..].iter().all(|(_, size)| *size == 500));
    }

    #[test]
    fn docker_images_are_docker_throughout() {
        let list = docker_list("a", &["linux/amd64", "linux/arm/v7"]);
        assert_eq!(list.media_type(), DOCKER_LIST);
        let children = children(&list);
        assert!(
            children
                .iter()
                .all(|child| child.media_type == DOCKER_MANIFEST)
        );
        let arm = list.child("linux/arm").unwrap();
        assert_eq!(*arm.digest(), children[1].digest);
        let types: Vec<_> = blobs(arm).into_iter().map(|blob| blob.media_type).collect();
        assert!(
            types.iter().all(|media_type| media_type.contains("docker")),
            "{types:?}"
        );
    }

    #[test]
    fn attestations_name_what_they_attest() {
        let index = index_with_attestations("a", &["linux/amd64", "linux/arm64"]);
        let children = children(&index);
        let attested = |i: usize| children[i].annotations.get(ATTESTED_DIGEST);
        assert_eq!(attested(0), None);
        assert_eq!(attested(3), Some(&children[1].digest.to_string()));
        let platform = children[3].platform.as_ref().unwrap();
        assert_eq!(
            (platform.os.as_str(), platform.architecture.as_str()),
            ("unknown", "unknown")
        );
        assert_eq!(index.manifests().len(), 5);
    }

    #[test]
    fn odd_images_are_odd() {
        assert_eq!(schema1("a").manifest.parse(), Err(InvalidManifest::Schema1));
        assert!(matches!(
            not_json("a").manifest.parse(),
            Err(InvalidManifest::Json(_))
        ));
        assert!(oversized("a").bytes().len() > MAX_MANIFEST_BYTES);
        let bare = without_media_type("a");
        let json: serde_json::Value = serde_json::from_slice(bare.bytes()).unwrap();
        assert_eq!((json.get("mediaType"), blobs(&bare).len()), (None, 3));
        let foreign = foreign_layer("a", "http://x/");
        let Some(layer) = blobs(&foreign).pop() else {
            panic!("a foreign layer");
        };
        assert_eq!(layer.urls, ["http://x/"]);
        assert!(foreign.blobs.iter().all(|b| b.digest != layer.digest));
        let (lying, claimed) = self_containing_index("a");
        assert_eq!(children(&lying)[0].digest, claimed);
        assert_eq!(lying.media_type(), OCI_INDEX);
    }
}
