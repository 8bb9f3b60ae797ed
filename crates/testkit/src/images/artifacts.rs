//! Artifacts that belong to an image. They have the form that the tools give them, but nobody signed anything.

use std::collections::BTreeMap;

use image_sync_shared::image::media_type;
use image_sync_shared::image::referrers::{CosignKind, Referring, referrers_tag};
use serde::Deserialize;

use super::index::from_descriptors;
use super::{Blob, Image, ImageBuilder};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const NOTATION: &str = "application/vnd.cncf.notary.signature";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// An artifact with one blob, attached to `subject` where there is one (OCI image spec 1.1, manifest.md). The subject may be an
/// artifact itself.
#[must_use]
pub fn artifact(artifact_type: &str, content: &[u8], subject: Option<&Image>) -> Image {
    let builder = ImageBuilder::new(artifact_type)
        .artifact_type(artifact_type)
        .blob(artifact_type, content.to_vec());
    match subject {
        Some(subject) => builder.subject(subject),
        None => builder,
    }
    .build()
}

/// The tag and the image in which cosign keeps a signature of `image`.
#[must_use]
pub fn cosign_signature(image: &Image) -> (String, Image) {
    let payload = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":""}},"image":{{"docker-manifest-digest":"{}"}},"type":"cosign container image signature"}},"optional":null}}"#,
        image.digest()
    );
    let blob = Blob::new(SIMPLE_SIGNING, payload);
    let signature = ("dev.cosignproject.cosign/signature", "bm90IGEgc2lnbmF0dXJl");
    let built = annotated("signature", blob, &[signature]);
    (CosignKind::Signature.tag(image.digest()), built)
}

/// The tag and the image in which cosign keeps an in-toto attestation of `image`.
#[must_use]
pub fn cosign_attestation(image: &Image) -> (String, Image) {
    let blob = Blob::new("application/vnd.dsse.envelope.v1+json", envelope(image));
    let built = annotated(
        "attestation",
        blob,
        &[
            ("dev.cosignproject.cosign/signature", ""),
            ("predicateType", "https://slsa.dev/provenance/v1"),
        ],
    );
    (CosignKind::Attestation.tag(image.digest()), built)
}

/// The tag and the image in which cosign keeps an SBOM of `image`.
#[must_use]
pub fn cosign_sbom(image: &Image) -> (String, Image) {
    let sbom = ImageBuilder::new("sbom").blob("text/spdx+json", spdx(image));
    (CosignKind::Sbom.tag(image.digest()), sbom.build())
}

/// A signature of `image` as cosign 3 attaches it: a bundle of sigstore.
#[must_use]
pub fn cosign_bundle(image: &Image) -> Image {
    let bundle = format!(
        r#"{{"mediaType":"{BUNDLE}","verificationMaterial":{{}},"dsseEnvelope":{}}}"#,
        envelope(image)
    );
    ImageBuilder::new("bundle")
        .artifact_type(BUNDLE)
        .blob(BUNDLE, bundle)
        .subject(image)
        .annotation("dev.sigstore.bundle.content", "dsse-envelope")
        .annotation(
            "dev.sigstore.bundle.predicateType",
            "https://sigstore.dev/cosign/sign/v1",
        )
        .annotation("org.opencontainers.image.created", "2026-01-01T00:00:00Z")
        .build()
}

/// A signature of `image` as notation attaches it: its type is that of its configuration.
#[must_use]
pub fn notation_signature(image: &Image) -> Image {
    let payload = format!(
        r#"{{"payload":"{}","protected":"","header":{{}},"signature":"bm9uZQ"}}"#,
        image.digest().hex()
    );
    ImageBuilder::new("notation")
        .config_type(NOTATION)
        .blob("application/jose+json", payload)
        .subject(image)
        .annotation("io.cncf.notary.x509chain.thumbprint#S256", "[\"00\"]")
        .build()
}

/// An in-toto attestation that is attached to `image`.
#[must_use]
pub fn in_toto_attestation(image: &Image) -> Image {
    ImageBuilder::new("in-toto")
        .artifact_type(IN_TOTO)
        .blob(IN_TOTO, statement(image))
        .subject(image)
        .annotation(
            "in-toto.io/predicate-type",
            "https://slsa.dev/provenance/v1",
        )
        .build()
}

/// The tag and the index by which a registry without the referrers API lists what is attached to `subject` (OCI distribution spec,
/// section "Referrers Tag Schema").
#[must_use]
pub fn referrers_index(subject: &Image, artifacts: &[&Image]) -> (String, Image) {
    #[derive(Deserialize)]
    struct Annotated {
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }
    let descriptors = artifacts.iter().map(|artifact| {
        let annotated: Option<Annotated> = serde_json::from_slice(artifact.bytes()).ok();
        let mut descriptor = artifact.as_subject();
        descriptor.annotations = annotated.map(|of| of.annotations).unwrap_or_default();
        descriptor.artifact_type = Referring::of(&artifact.manifest).map(|of| of.artifact_type);
        descriptor
    });
    let children = artifacts.iter().map(|&artifact| artifact.clone()).collect();
    let index = from_descriptors(media_type::OCI_INDEX, descriptors.collect(), children);
    (referrers_tag(subject.digest()), index)
}

/// An image as cosign makes it, whose one layer has annotations.
fn annotated(name: &str, layer: Blob, annotations: &[(&str, &str)]) -> Image {
    let mut descriptor = layer.descriptor();
    for (key, value) in annotations {
        let (key, value) = ((*key).to_owned(), (*value).to_owned());
        descriptor.annotations.insert(key, value);
    }
    ImageBuilder::new(name)
        .described(descriptor, Some(layer))
        .build()
}

fn statement(image: &Image) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"image","digest":{{"sha256":"{}"}}}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{{}}}}"#,
        image.digest().hex()
    )
}

/// What names the image is in the place of the payload as it is, so that each image has its own.
fn envelope(image: &Image) -> String {
    format!(
        r#"{{"payloadType":"{IN_TOTO}","payload":"{}","signatures":[{{"sig":"bm9uZQ"}}]}}"#,
        image.digest().hex()
    )
}

fn spdx(image: &Image) -> String {
    format!(
        r#"{{"spdxVersion":"SPDX-2.3","name":"{}"}}"#,
        image.digest()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::images::{artifact_index, image};

    fn json(image: &Image) -> Value {
        serde_json::from_slice(image.bytes()).unwrap()
    }

    #[test]
    fn what_cosign_keeps_under_a_tag_names_the_image_and_has_no_subject() {
        let image = image("a");
        for ((tag, artifact), suffix, media_type) in [
            (cosign_signature(&image), "sig", SIMPLE_SIGNING),
            (
                cosign_attestation(&image),
                "att",
                "application/vnd.dsse.envelope.v1+json",
            ),
            (cosign_sbom(&image), "sbom", "text/spdx+json"),
        ] {
            assert_eq!(tag, format!("sha256-{}.{suffix}", image.digest().hex()));
            let payload = String::from_utf8_lossy(&artifact.blobs[1].bytes).into_owned();
            assert!(payload.contains(image.digest().hex()), "{payload}");
            assert_eq!(json(&artifact)["layers"][0]["mediaType"], media_type);
            assert_eq!(Referring::of(&artifact.manifest), None);
        }
    }

    #[test]
    fn what_is_attached_has_the_image_as_its_subject() {
        let image = image("a");
        let sbom = artifact("application/spdx+json", b"x", Some(&image));
        for (artifact, subject, artifact_type) in [
            (&sbom, &image, "application/spdx+json"),
            (&artifact("a/b", b"x", Some(&sbom)), &sbom, "a/b"),
            (&cosign_bundle(&image), &image, BUNDLE),
            (&notation_signature(&sbom), &sbom, NOTATION),
            (&in_toto_attestation(&image), &image, IN_TOTO),
            (
                &artifact_index("a/c", vec![sbom.clone()], &image),
                &image,
                "a/c",
            ),
        ] {
            let referring = Referring::of(&artifact.manifest).unwrap();
            assert_eq!(referring.subject, *subject.digest());
            assert_eq!(referring.artifact_type, artifact_type);
            assert!(artifact.manifest.parse().is_ok());
        }
    }

    #[test]
    fn an_index_of_referrers_lists_them_with_types_and_annotations() {
        let image = image("a");
        let signature = notation_signature(&image);
        let (tag, index) = referrers_index(&image, &[&signature]);
        assert_eq!(tag, format!("sha256-{}", image.digest().hex()));
        let listed = &json(&index)["manifests"][0];
        assert_eq!(listed["digest"], signature.digest().as_str());
        assert_eq!(listed["artifactType"], NOTATION);
        assert_eq!(listed["annotations"], json(&signature)["annotations"]);
    }
}
