//! What refers to an image: manifests with a `subject` (OCI image spec, manifest.md), the tags that stand for them where a registry
//! has no referrers API (OCI distribution spec, section "Referrers Tag Schema"), and the tags of cosign.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::image::digest::Digest;
use crate::image::manifest::{Descriptor, RawManifest};
use crate::image::media_type;

/// The longest part of a digest in a referrers tag, in characters: its algorithm, and its encoded value.
const MOST_OF_ALGORITHM: usize = 32;
const MOST_OF_VALUE: usize = 64;

/// The tag under which a registry without the referrers API has the index of the manifests that refer to `subject`.
#[must_use]
pub fn referrers_tag(subject: &Digest) -> String {
    let part = |text: &str, most| text.chars().take(most).collect::<String>();
    let algorithm = part(subject.algorithm_name(), MOST_OF_ALGORITHM);
    format!("{algorithm}-{}", part(subject.hex(), MOST_OF_VALUE))
}

/// What cosign keeps under a tag that is named by the digest of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CosignKind {
    /// Signatures, one layer for each.
    Signature,
    /// Attestations, one layer for each.
    Attestation,
    /// A software bill of materials.
    Sbom,
}

impl CosignKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Signature, Self::Attestation, Self::Sbom];

    /// The tag of those that belong to `subject`.
    #[must_use]
    pub fn tag(self, subject: &Digest) -> String {
        let suffix = match self {
            Self::Signature => "sig",
            Self::Attestation => "att",
            Self::Sbom => "sbom",
        };
        format!("{}-{}.{suffix}", subject.algorithm_name(), subject.hex())
    }

    /// The artifact type that cosign gives to the same where it attaches it by its subject: rules of artifact types see a tag as of
    /// this type.
    #[must_use]
    pub fn artifact_type(self) -> &'static str {
        match self {
            Self::Signature => "application/vnd.dev.cosign.artifact.sig.v1+json",
            Self::Attestation => "application/vnd.dev.cosign.artifact.att.v1+json",
            Self::Sbom => "application/vnd.dev.cosign.artifact.sbom.v1+json",
        }
    }
}

/// Whether a tag belongs to the image of a digest, and is no name of an image: that of a referrers index, or one of cosign's.
#[must_use]
pub fn is_tag_of_digest(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix("sha256-") else {
        return false;
    };
    let hex = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    let suffix = &rest[hex..];
    hex == 64 && (suffix.is_empty() || suffix.starts_with('.'))
}

/// The image that such a tag belongs to.
#[must_use]
pub fn subject_of_tag(tag: &str) -> Option<Digest> {
    let hex = tag.strip_prefix("sha256-")?.get(..64)?;
    let subject = format!("sha256:{hex}").parse().ok();
    subject.filter(|_| is_tag_of_digest(tag))
}

/// A manifest that refers to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referring {
    /// The manifest that it refers to.
    pub subject: Digest,
    /// Its artifact type; empty where it states none.
    pub artifact_type: String,
    /// Its annotations, as it has them.
    annotations: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    #[serde(default)]
    subject: Option<Subject>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Config>,
    #[serde(default, borrow)]
    annotations: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Subject {
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    media_type: Option<String>,
}

impl Referring {
    /// What `manifest` says of its subject; nothing where it has none.
    #[must_use]
    pub fn of(manifest: &RawManifest) -> Option<Self> {
        let members: Members<'_> = serde_json::from_slice(&manifest.bytes).ok()?;
        let own = members.artifact_type.filter(|own| !own.is_empty());
        // Of a manifest without a type of its own, that of its configuration (distribution spec, "Listing Referrers").
        let of_config = members.config.and_then(|config| config.media_type);
        let annotations = members.annotations.map(RawValue::get);
        Some(Self {
            subject: members.subject?.digest,
            artifact_type: own.or(of_config).unwrap_or_default(),
            annotations: annotations.and_then(texts_of),
        })
    }

    /// The descriptor of `manifest`, whose members these are, as an index of referrers has it (distribution spec, "Pushing Manifests
    /// with Subject").
    #[must_use]
    pub fn descriptor(&self, manifest: &RawManifest) -> Value {
        let mut descriptor = Map::new();
        let media_type = media_type::essence(&manifest.media_type);
        descriptor.insert("mediaType".to_owned(), media_type.into());
        descriptor.insert("digest".to_owned(), manifest.digest.as_str().into());
        descriptor.insert("size".to_owned(), manifest.bytes.len().into());
        if let Some(annotations) = &self.annotations
            && !annotations.is_empty()
        {
            let annotations = Value::Object(annotations.clone());
            descriptor.insert("annotations".to_owned(), annotations);
        }
        if !self.artifact_type.is_empty() {
            let artifact_type = self.artifact_type.as_str().into();
            descriptor.insert("artifactType".to_owned(), artifact_type);
        }
        Value::Object(descriptor)
    }
}

/// The annotations that are texts: tools that expect them read nothing of an index with one that is none.
fn texts_of(annotations: &str) -> Option<Map<String, Value>> {
    let all: Map<String, Value> = serde_json::from_str(annotations).ok()?;
    Some(all.into_iter().filter(|(_, of)| of.is_string()).collect())
}

/// The manifests that an index of referrers lists; an error says why it is none.
pub fn listed(index: &[u8]) -> Result<Vec<Descriptor>, String> {
    #[derive(Deserialize)]
    struct Index {
        manifests: Option<Vec<Descriptor>>,
    }
    let index: Index = serde_json::from_slice(index).map_err(|error| error.to_string())?;
    Ok(index.manifests.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(json: &Value) -> RawManifest {
        let bytes = bytes::Bytes::from(json.to_string());
        RawManifest {
            media_type: format!("{}; charset=utf-8", media_type::OCI_MANIFEST),
            digest: Digest::of(&bytes),
            bytes,
        }
    }

    #[test]
    fn tags_are_those_of_the_distribution_spec_and_of_cosign() {
        let digest = Digest::of(b"an image");
        let tag = referrers_tag(&digest);
        assert_eq!(tag, format!("sha256-{}", digest.hex()));
        let long: Digest = format!("sha512:{}", "ab".repeat(64)).parse().unwrap();
        assert_eq!(referrers_tag(&long), format!("sha512-{}", "ab".repeat(32)));
        let tags = CosignKind::ALL.map(|kind| kind.tag(&digest));
        let suffixes = [".sig", ".att", ".sbom"].map(|suffix| format!("{tag}{suffix}"));
        assert_eq!(tags, suffixes);
        for tag in tags.iter().chain([&tag]) {
            assert!(is_tag_of_digest(tag), "{tag}");
            assert_eq!(subject_of_tag(tag).as_ref(), Some(&digest), "{tag}");
        }
        for tag in ["1.0", "sha256-abc", "sha256", &format!("{tag}0"), "v1.sig"] {
            assert!(!is_tag_of_digest(tag), "{tag}");
            assert_eq!(subject_of_tag(tag), None, "{tag}");
        }
    }

    #[test]
    fn an_artifact_type_is_its_own_or_that_of_its_configuration() {
        let subject = Digest::of(b"an image");
        let subject = json!({"mediaType": media_type::OCI_MANIFEST, "digest": subject, "size": 8});
        let config = json!({"mediaType": "application/vnd.acme.config", "digest": Digest::of(b"{}"), "size": 2});
        let type_of = |json: &Value| Referring::of(&manifest(json)).map(|of| of.artifact_type);
        let own =
            json!({"subject": subject, "artifactType": "application/x.sbom", "config": config});
        assert_eq!(type_of(&own).as_deref(), Some("application/x.sbom"));
        let of_config = json!({"subject": subject, "artifactType": "", "config": config});
        let expected = Some("application/vnd.acme.config");
        assert_eq!(type_of(&of_config).as_deref(), expected);
        assert_eq!(type_of(&json!({"subject": subject})).as_deref(), Some(""));
        assert_eq!(type_of(&json!({"config": config})), None);
        assert_eq!(
            type_of(&json!({"subject": {"digest": "none"}, "config": config})),
            None
        );
    }

    #[test]
    fn a_descriptor_of_a_referrer_has_its_type_and_annotations() {
        let subject = Digest::of(b"an image");
        let manifest = manifest(&json!({
            "artifactType": "application/x.sbom", "subject": {"digest": subject, "size": 8},
            "annotations": {"a": "1", "b": 2, "c": null},
        }));
        let referring = Referring::of(&manifest).unwrap();
        assert_eq!(referring.subject, subject);
        assert_eq!(
            referring.descriptor(&manifest),
            json!({
                "mediaType": media_type::OCI_MANIFEST, "digest": manifest.digest, "size": manifest.bytes.len(),
                "artifactType": "application/x.sbom", "annotations": {"a": "1"},
            })
        );
    }

    #[test]
    fn an_index_of_referrers_lists_descriptors_and_null_is_none() {
        let entry =
            json!({"mediaType": "m", "digest": Digest::of(b"a"), "size": 1, "artifactType": "t"});
        let found = listed(json!({"manifests": [entry]}).to_string().as_bytes()).unwrap();
        assert_eq!(found[0].artifact_type.as_deref(), Some("t"));
        assert_eq!(listed(br#"{"manifests": null}"#), Ok(Vec::new()));
        assert_eq!(listed(b"{}"), Ok(Vec::new()));
        assert!(listed(b"<html>").is_err());
    }
}
