//! Media types of manifests (OCI image spec, media-types.md; Docker image manifest v2).

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// OCI layer, tar with gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker image manifest, schema 1, without a signature.
pub const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+json";
/// Docker image manifest, schema 1, signed.
pub const DOCKER_SCHEMA1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// OCI artifact manifest, which the image spec 1.1 dropped before its release.
const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
const FOREIGN_LAYERS: [&str; 4] = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

/// What a request for a manifest accepts, best first. `*/*` lets a registry hand out types not known here.
pub const ACCEPTED_MANIFESTS: [&str; 7] = [
    OCI_INDEX,
    OCI_MANIFEST,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1_SIGNED,
    DOCKER_SCHEMA1,
    "*/*",
];

/// Whether `media_type` is a list of manifests rather than one manifest.
#[must_use]
pub fn is_index(media_type: &str) -> bool {
    kind(media_type) == Some(Kind::Index)
}

/// Whether `media_type` is Docker's schema 1, which cannot be copied by digest.
#[must_use]
pub fn is_schema1(media_type: &str) -> bool {
    matches!(essence(media_type), DOCKER_SCHEMA1 | DOCKER_SCHEMA1_SIGNED)
}

/// Whether `media_type` is a Docker schema 2 manifest or manifest list.
#[must_use]
pub fn is_docker(media_type: &str) -> bool {
    matches!(essence(media_type), DOCKER_MANIFEST | DOCKER_LIST)
}

/// Whether `media_type` is that of a layer that need not be in a registry: the three that the OCI image spec has for
/// layers with distribution restrictions, zstd's being the youngest (media-types.md), and the one of Docker's image
/// manifest v2.
#[must_use]
pub fn is_foreign_layer(media_type: &str) -> bool {
    FOREIGN_LAYERS.contains(&essence(media_type))
}

/// What a document is for who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A list of manifests.
    Index,
    /// One manifest.
    Manifest,
}

impl Kind {
    /// Its name, as messages have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Index => "an index",
            Self::Manifest => "a manifest",
        }
    }
}

/// The kind of document that `media_type` is the type of, or none where it is not known here.
#[must_use]
pub fn kind(media_type: &str) -> Option<Kind> {
    match essence(media_type) {
        OCI_INDEX | DOCKER_LIST => Some(Kind::Index),
        OCI_MANIFEST | DOCKER_MANIFEST | OCI_ARTIFACT => Some(Kind::Manifest),
        _ => None,
    }
}

/// The media type without its parameters, as in `type/subtype; charset=utf-8`.
#[must_use]
pub fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_kinds_apart() {
        assert!(
            is_index(OCI_INDEX)
                && is_index(
                    "application/vnd.docker.distribution.manifest.list.v2+json; charset=utf-8"
                )
        );
        assert!(!is_index(OCI_MANIFEST) && !is_index(""));
        assert!(is_schema1(DOCKER_SCHEMA1_SIGNED) && !is_schema1(DOCKER_MANIFEST));
        assert!(is_docker(DOCKER_MANIFEST) && is_docker(DOCKER_LIST) && !is_docker(OCI_MANIFEST));
    }

    #[test]
    fn foreign_layers_are_those_that_the_specs_name() {
        assert!(
            FOREIGN_LAYERS
                .iter()
                .all(|foreign| is_foreign_layer(foreign))
        );
        for other in [
            OCI_LAYER_GZIP,
            "application/x.foreign.y",
            "application/vnd.acme.nondistributable.v1.tar",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip.x",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+xz",
        ] {
            assert!(!is_foreign_layer(other), "{other}");
        }
    }
}
