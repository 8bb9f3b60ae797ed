//! Manifests and indexes (OCI image spec, manifest.md and image-index.md; Docker image manifest v2), as far as copying
//! needs to understand them: what is not understood is carried along unread.

use std::collections::{BTreeMap, HashSet};

use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::image::digest::Digest;
use crate::image::media_type::{self, Kind};
use crate::image::platform::Platform;
use crate::text::bounded;

mod few;
mod names;

/// The largest manifest that is read, in bytes, as the distribution spec advises.
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;
/// The annotation by which BuildKit's attestation manifests name the manifest that they attest.
pub const ATTESTED_DIGEST: &str = "vnd.docker.reference.digest";

/// A content descriptor (OCI image spec, descriptor.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The type of the content.
    #[serde(default, deserialize_with = "few::text")]
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes.
    pub size: u64,
    /// Other places to get the content from; never followed. Of those that are read, the first few.
    #[serde(
        default,
        deserialize_with = "few::texts",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub urls: Vec<String>,
    /// Annotations. Of those that are read, the ones that copying has to know.
    #[serde(
        default,
        deserialize_with = "few::annotations",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The platform of a child of an index.
    #[serde(
        default,
        deserialize_with = "few::platform",
        skip_serializing_if = "Option::is_none"
    )]
    pub platform: Option<StatedPlatform>,
    /// The type of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The content itself, in base64, where it is small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl Descriptor {
    /// Whether what an index lists is a blob: BuildKit's cache lists layers, against the spec's advice.
    #[must_use]
    pub fn is_listed_blob(&self) -> bool {
        let media_type = media_type::essence(&self.media_type);
        media_type.starts_with("application/vnd.oci.image.layer.")
            || media_type.starts_with("application/vnd.docker.image.rootfs.")
            || media_type.starts_with("application/vnd.buildkit.cacheconfig.")
    }
}

/// A platform as an index states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedPlatform {
    /// Architecture.
    #[serde(default, deserialize_with = "few::text")]
    pub architecture: String,
    /// Operating system.
    #[serde(default, deserialize_with = "few::text")]
    pub os: String,
    /// Version of the operating system, as Windows images have it.
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// Features of the operating system. Of those that are read, the first few.
    #[serde(
        default,
        rename = "os.features",
        deserialize_with = "few::texts",
        skip_serializing_if = "Vec::is_empty"
    )]
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
            .for_os_version(self.os_version.as_deref())
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
        /// The blobs that it needs (configuration, layers), in their order, each once.
        blobs: Vec<Descriptor>,
        /// The foreign layers, which need not be in any registry, each once; none that is among `blobs`.
        foreign: Vec<Descriptor>,
    },
}

impl Manifest {
    /// Whether it is a list of manifests or one manifest.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Index { .. } => Kind::Index,
            Self::Image { .. } => Kind::Manifest,
        }
    }
}

/// Why bytes are not a manifest that can be copied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidManifest {
    /// Not JSON, or JSON of another shape.
    #[error("the manifest is not valid JSON of a manifest: {0}")]
    Json(String),
    /// Some would read it as an index, and others as a manifest (CVE-2021-41190).
    #[error("the manifest is ambiguous: {0}")]
    Ambiguous(String),
    /// Docker schema 1.
    #[error(
        "the manifest is Docker schema 1, which cannot be copied unchanged: push the image again with a current tool"
    )]
    Schema1,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyManifest {
    schema_version: Option<u32>,
    media_type: Option<String>,
    #[serde(default)]
    manifests: Listed,
    #[serde(default, deserialize_with = "few::descriptor")]
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    /// Of the OCI artifact manifest, which the image spec 1.1 dropped before its release but which registries hold.
    blobs: Option<Vec<Descriptor>>,
}

/// What an index lists.
#[derive(Default)]
enum Listed {
    /// The member is missing.
    #[default]
    Missing,
    /// It is null, as some write an index that lists nothing.
    Null,
    Children(Vec<Descriptor>),
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let children = Option::deserialize(json)?;
        Ok(children.map_or(Self::Null, Self::Children))
    }
}

impl RawManifest {
    /// Reads what the manifest refers to. A manifest without a media type is told by its members. What not every reader
    /// would understand in the same way is refused.
    pub fn parse(&self) -> Result<Manifest, InvalidManifest> {
        if media_type::is_schema1(&self.media_type) {
            return Err(InvalidManifest::Schema1);
        }
        let json = |error: serde_json::Error| InvalidManifest::Json(bounded(error));
        // First, as serde passes over members whose case is another, in which readers in Go find theirs.
        names::check(&self.bytes).map_err(json)?;
        let any: AnyManifest = serde_json::from_slice(&self.bytes).map_err(json)?;
        if any.schema_version == Some(1) {
            return Err(InvalidManifest::Schema1);
        }
        let kind = any.kind(&self.media_type)?;
        match any.manifests {
            Listed::Children(children) if kind == Kind::Index => Ok(Manifest::Index { children }),
            Listed::Null if kind == Kind::Index => Ok(Manifest::Index {
                children: Vec::new(),
            }),
            Listed::Missing if kind == Kind::Index => Err(InvalidManifest::Json(
                "an index without manifests".to_owned(),
            )),
            _ => {
                let layers = any.layers.into_iter().flatten();
                let (foreign, layers): (Vec<_>, Vec<_>) = layers.partition(is_foreign);
                let blobs = any.config.into_iter().chain(layers);
                // One for both, and blobs are seen first: what is one in any place is copied, even if another place
                // calls it foreign.
                let mut seen = HashSet::new();
                Ok(Manifest::Image {
                    blobs: each_once(blobs.chain(any.blobs.into_iter().flatten()), &mut seen),
                    foreign: each_once(foreign.into_iter(), &mut seen),
                })
            }
        }
    }
}

impl AnyManifest {
    /// What everybody takes it for: who goes by the type that the registry states, by its own, or by its members.
    fn kind(&self, stated: &str) -> Result<Kind, InvalidManifest> {
        let own = self.media_type.as_deref().unwrap_or_default();
        let by_type = match (media_type::kind(stated), media_type::kind(own)) {
            (Some(stated_kind), Some(own_kind)) if stated_kind != own_kind => {
                return Err(InvalidManifest::Ambiguous(bounded(format!(
                    "it is served as {}, but its own mediaType is {}",
                    media_type::essence(stated),
                    media_type::essence(own)
                ))));
            }
            (stated, own) => own.or(stated),
        };
        let of_a_manifest = [
            ("config", self.config.is_some()),
            ("layers", self.layers.is_some()),
            ("blobs", self.blobs.is_some()),
        ];
        let of_a_manifest = of_a_manifest.into_iter().find(|(_, there)| *there);
        let lists = matches!(self.manifests, Listed::Children(_));
        match (lists, of_a_manifest, by_type) {
            (true, Some((name, _)), _) => Err(InvalidManifest::Ambiguous(format!(
                "it has \"manifests\" as an index has, and \"{name}\" as a manifest has"
            ))),
            (true, None, Some(Kind::Manifest)) => Err(InvalidManifest::Ambiguous(
                "it is served as a manifest, but has \"manifests\" as an index has".to_owned(),
            )),
            (false, Some((name, _)), Some(Kind::Index)) => Err(InvalidManifest::Ambiguous(
                format!("it is served as an index, but has \"{name}\" as a manifest has"),
            )),
            (true, None, _) => Ok(Kind::Index),
            (false, _, by_type) => Ok(by_type.unwrap_or(Kind::Manifest)),
        }
    }
}

/// A manifest's own `mediaType`, where it has one.
#[must_use]
pub fn own_media_type(manifest: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Own {
        media_type: Option<String>,
    }
    let own: Own = serde_json::from_slice(manifest).ok()?;
    own.media_type.filter(|own| !own.is_empty())
}

/// The media type of a manifest that nobody states: its own `mediaType`, else told by its members (OCI image spec,
/// manifest.md and image-index.md: `mediaType` may be missing). The error says in which line it is no JSON object.
pub fn told_media_type(manifest: &[u8]) -> Result<Option<String>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Members {
        media_type: Option<String>,
        manifests: Option<IgnoredAny>,
        config: Option<IgnoredAny>,
    }
    let members: Members = serde_json::from_slice(manifest).map_err(|error| error.to_string())?;
    Ok(match members {
        Members {
            media_type: Some(own),
            ..
        } if !own.is_empty() => Some(own),
        Members {
            manifests: Some(_), ..
        } => Some(media_type::OCI_INDEX.to_owned()),
        Members {
            config: Some(_), ..
        } => Some(media_type::OCI_MANIFEST.to_owned()),
        _ => None,
    })
}

fn is_foreign(layer: &Descriptor) -> bool {
    media_type::is_foreign_layer(&layer.media_type)
}

fn each_once(
    blobs: impl Iterator<Item = Descriptor>,
    seen: &mut HashSet<Digest>,
) -> Vec<Descriptor> {
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
        assert!(matches!(image, Manifest::Image { blobs, .. } if blobs.len() == 1));
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
        assert!(matches!(artifact.unwrap(), Manifest::Image { blobs, .. } if blobs.len() == 1));
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

    fn descriptor(media_type: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"{CONFIG}","size":0,"urls":["u"]}}"#)
    }

    #[test]
    fn what_is_both_index_and_manifest_is_refused() {
        use media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
        let blob = descriptor("m");
        let own = |media_type: &str| format!(r#""mediaType":"{media_type}""#);
        let manifests = r#""manifests":[]"#;
        let config = format!(r#""config":{blob}"#);
        for (stated, members) in [
            (OCI_INDEX, format!("{config},{manifests}")),
            (OCI_MANIFEST, format!("{config},{manifests}")),
            ("", format!("{config},{manifests}")),
            (OCI_INDEX, format!(r#"{manifests},"layers":[]"#)),
            ("", format!(r#"{manifests},"blobs":[]"#)),
            (OCI_MANIFEST, format!("{},{config}", own(OCI_INDEX))),
            (OCI_INDEX, format!("{},{manifests}", own(OCI_MANIFEST))),
            (DOCKER_LIST, format!("{},{manifests}", own(DOCKER_MANIFEST))),
            (OCI_MANIFEST, format!("{},{config}", own(DOCKER_LIST))),
            (OCI_MANIFEST, manifests.to_owned()),
            ("", format!("{},{manifests}", own(DOCKER_MANIFEST))),
            (DOCKER_LIST, config.clone()),
            ("", format!("{},{config}", own(OCI_INDEX))),
        ] {
            let parsed = parse(stated, &format!("{{{members}}}"));
            let ambiguous = matches!(parsed, Err(InvalidManifest::Ambiguous(_)));
            assert!(ambiguous, "{stated} {members}: {parsed:?}");
        }
    }

    #[test]
    fn members_that_are_null_and_types_of_the_same_kind_are_not_ambiguous() {
        use media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
        let blob = descriptor("m");
        let image = format!(r#""config":{blob},"layers":[{blob}],"manifests":null"#);
        let index = r#""manifests":[],"config":null,"layers":null"#;
        for (stated, own, members, kind) in [
            (
                OCI_MANIFEST,
                DOCKER_MANIFEST,
                image.as_str(),
                Kind::Manifest,
            ),
            (DOCKER_LIST, OCI_INDEX, index, Kind::Index),
            ("acme/a", OCI_INDEX, index, Kind::Index),
            ("acme/a", "acme/b", index, Kind::Index),
            ("acme/a", "", &image, Kind::Manifest),
        ] {
            let json = format!(r#"{{"mediaType":"{own}",{members}}}"#);
            assert_eq!(
                parse(stated, &json).unwrap().kind(),
                kind,
                "{stated} {json}"
            );
        }
    }

    #[test]
    fn null_manifests_are_an_empty_index_and_a_zero_config_is_none() {
        let children = |json: &str| match parse(media_type::OCI_INDEX, json).unwrap() {
            Manifest::Index { children } => children.len(),
            Manifest::Image { .. } => panic!("a manifest"),
        };
        assert_eq!(children(r#"{"schemaVersion":null,"manifests":null}"#), 0);
        for config in [
            "null",
            "{}",
            r#"{"mediaType":"","digest":"","size":0}"#,
            r#"{"mediaType":"m","digest":null,"size":null}"#,
        ] {
            let json = format!(r#"{{"config":{config},"layers":null}}"#);
            let parsed = parse(media_type::OCI_MANIFEST, &json).unwrap();
            let nothing = Manifest::Image {
                blobs: Vec::new(),
                foreign: Vec::new(),
            };
            assert_eq!(parsed, nothing, "{config}");
        }
        for broken in [r#"{"digest":"","size":7}"#, r#"{"size":7}"#, "[]", "7"] {
            let json = format!(r#"{{"config":{broken}}}"#);
            assert!(parse(media_type::OCI_MANIFEST, &json).is_err(), "{broken}");
        }
    }

    #[test]
    fn only_layers_are_foreign_layers() {
        let oci = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
        let (foreign, other) = (descriptor(oci), descriptor("application/x.foreign.y"));
        let counts = |json: &str| match parse("", json).unwrap() {
            Manifest::Image { blobs, foreign } => (blobs.len(), foreign.len()),
            Manifest::Index { .. } => panic!("an index"),
        };
        assert_eq!(counts(&format!(r#"{{"layers":[{foreign}]}}"#)), (0, 1));
        assert_eq!(counts(&format!(r#"{{"layers":[{other}]}}"#)), (1, 0));
        assert_eq!(counts(&format!(r#"{{"config":{foreign}}}"#)), (1, 0));
        assert_eq!(counts(&format!(r#"{{"blobs":[{foreign}]}}"#)), (1, 0));
        let both = format!(r#"{{"config":{other},"layers":[{foreign}]}}"#);
        assert_eq!(counts(&both), (1, 0), "a blob that is needed besides");
    }
}
