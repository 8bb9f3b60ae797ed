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
    matches!(essence(media_type), OCI_INDEX | DOCKER_LIST)
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

/// Whether a layer of this type need not be in a registry ("non-distributable" and Docker's foreign layers).
#[must_use]
pub fn is_foreign_layer(media_type: &str) -> bool {
    let media_type = essence(media_type);
    media_type.contains(".nondistributable.") || media_type.contains(".foreign.")
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
        assert!(is_foreign_layer(
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
        ));
        assert!(is_foreign_layer(
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        ));
        assert!(!is_foreign_layer(OCI_LAYER_GZIP));
    }
}
