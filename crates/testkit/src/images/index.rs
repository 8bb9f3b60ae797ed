//! Multi-platform images.

use image_sync_shared::image::manifest::{ATTESTED_DIGEST, Descriptor};
use image_sync_shared::image::media_type;
use serde::Serialize;

use super::{Image, ImageBuilder, json, stated};

const ATTESTATION_TYPE: &str = "vnd.docker.reference.type";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    media_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
    manifests: Vec<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
}

/// An OCI index with a small image per platform, as in `linux/arm64`.
#[must_use]
pub fn index(name: &str, platforms: &[&str]) -> Image {
    let children = platforms
        .iter()
        .map(|platform| {
            ImageBuilder::new(format!("{name} {platform}"))
                .platform(*platform)
                .layers(2, 1024)
                .build()
        })
        .collect();
    index_of(media_type::OCI_INDEX, children)
}

/// A Docker manifest list with a small schema 2 image per platform.
#[must_use]
pub fn docker_list(name: &str, platforms: &[&str]) -> Image {
    let children = platforms
        .iter()
        .map(|platform| {
            ImageBuilder::new(format!("{name} {platform}"))
                .docker()
                .platform(*platform)
                .layers(2, 1024)
                .build()
        })
        .collect();
    index_of(media_type::DOCKER_LIST, children)
}

/// An index of these images.
#[must_use]
pub fn index_of(media_type: &str, children: Vec<Image>) -> Image {
    let descriptors = children.iter().map(Image::descriptor).collect();
    from_descriptors(media_type, descriptors, children)
}

/// An OCI index as `BuildKit` writes it: each image is followed by an attestation manifest of platform unknown/unknown.
#[must_use]
pub fn index_with_attestations(name: &str, platforms: &[&str]) -> Image {
    let images = index(name, platforms).children;
    let attestations: Vec<Image> = images.iter().map(attestation).collect();
    let descriptors = images.iter().map(Image::descriptor);
    let attested = attestations
        .iter()
        .zip(&images)
        .map(|(attestation, image)| {
            let mut descriptor = attestation.descriptor();
            let digest = image.digest().to_string();
            descriptor
                .annotations
                .insert(ATTESTED_DIGEST.to_owned(), digest);
            let kind = "attestation-manifest".to_owned();
            descriptor
                .annotations
                .insert(ATTESTATION_TYPE.to_owned(), kind);
            descriptor
        });
    let descriptors = descriptors.chain(attested).collect();
    let children = images.iter().chain(&attestations).cloned().collect();
    from_descriptors(media_type::OCI_INDEX, descriptors, children)
}

/// An index that is an artifact of this type, attached to `subject`.
#[must_use]
pub fn artifact_index(artifact_type: &str, children: Vec<Image>, subject: &Image) -> Image {
    let bytes = json(&Index {
        schema_version: 2,
        media_type: media_type::OCI_INDEX,
        artifact_type: Some(artifact_type),
        manifests: children.iter().map(Image::descriptor).collect(),
        subject: Some(subject.as_subject()),
    });
    Image {
        children,
        ..Image::from_bytes(media_type::OCI_INDEX, bytes)
    }
}

pub(super) fn from_descriptors(
    media_type: &str,
    descriptors: Vec<Descriptor>,
    children: Vec<Image>,
) -> Image {
    let bytes = json(&Index {
        schema_version: 2,
        media_type,
        artifact_type: None,
        manifests: descriptors,
        subject: None,
    });
    Image {
        children,
        ..Image::from_bytes(media_type, bytes)
    }
}

fn attestation(image: &Image) -> Image {
    let statement = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v0.1","subject":[{{"name":"image","digest":{{"sha256":"{}"}}}}]}}"#,
        image.digest().hex()
    );
    let mut attestation = ImageBuilder::new("attestation")
        .platform("unknown/unknown")
        .blob("application/vnd.in-toto+json", statement)
        .build();
    attestation.platform = Some(stated("unknown/unknown"));
    attestation
}
