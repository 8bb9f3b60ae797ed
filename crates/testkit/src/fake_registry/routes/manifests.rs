//! Manifests.

use bytes::Bytes;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::media_type::{OCI_CONFIG, essence};
use serde_json::Value;

use super::referrers::subject;
use crate::complete::{StoredManifest, digest_like, references};
use crate::fake_registry::behaviour::{Behaviour, ImmutableTags};
use crate::fake_registry::http::response::Response;
use crate::fake_registry::records::{Request, is_like};
use crate::fake_registry::shared::Shared;
use crate::fake_registry::store::content::Content;
use crate::images::DOCKER_CONFIG;

pub(super) fn get(shared: &Shared, repository: &str, reference: &str) -> Response {
    let Some(stored) = shared.store.manifest(repository, reference) else {
        return Response::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
    };
    let response = Response::new(200)
        .content(Content::Bytes(stored.bytes))
        .header("content-type", &stored.media_type);
    stating_digest(shared, response, &stored.digest)
}

pub(super) fn put(
    shared: &Shared,
    request: &Request,
    repository: &str,
    reference: &str,
    bytes: Bytes,
) -> Response {
    let by_digest: Option<Digest> = reference.parse().ok();
    let stored = StoredManifest {
        digest: digest_like(reference, &bytes),
        media_type: media_type(request, &bytes),
        bytes,
    };
    if let Some(refusal) = refusal(shared, repository, reference, &stored) {
        return refusal;
    }
    let response = Response::new(201).header(
        "location",
        &format!("/v2/{repository}/manifests/{}", stored.digest),
    );
    let response = stating_digest(shared, response, &stored.digest);
    let response = match subject(&stored.bytes).filter(|_| shared.behaviour().referrers) {
        Some(subject) => response.header("oci-subject", &subject),
        None => response,
    };
    let digest = stored.digest.clone();
    shared.store.put_manifest(repository, stored);
    if by_digest.is_none() {
        shared.store.tag(repository, reference, &digest);
    }
    response
}

pub(super) fn delete(shared: &Shared, repository: &str, reference: &str) -> Response {
    let removed = if reference.parse::<Digest>().is_ok() {
        shared.store.remove_manifest(repository, reference)
    } else {
        shared.store.remove_tag(repository, reference)
    };
    if removed {
        Response::new(202)
    } else {
        Response::error(404, "MANIFEST_UNKNOWN", "manifest unknown")
    }
}

fn refusal(
    shared: &Shared,
    repository: &str,
    reference: &str,
    stored: &StoredManifest,
) -> Option<Response> {
    let behaviour = shared.behaviour();
    if !behaviour.creates_repositories && !shared.store.has_repository(repository) {
        let message = "the repository does not exist";
        return Some(Response::error(404, "NAME_UNKNOWN", message));
    }
    if reference.parse::<Digest>().is_ok() && stored.digest != reference {
        let message = "provided digest did not match uploaded content";
        return Some(Response::error(400, "DIGEST_INVALID", message));
    }
    let refused = &behaviour.refused_media_types;
    if refused
        .iter()
        .any(|media_type| media_type == essence(&stored.media_type))
    {
        let message = format!("manifest type {} is not accepted here", stored.media_type);
        let status = behaviour.refusal_status;
        return Some(Response::error(status, "MANIFEST_INVALID", &message));
    }
    let refused = artifact_refusal(&behaviour, reference, stored)
        .or_else(|| immutable(shared, &behaviour, repository, reference, stored));
    refused.or_else(|| {
        let checks = behaviour.checks_references;
        checks
            .then(|| missing(shared, repository, stored))
            .flatten()
    })
}

/// What registries say that know of images alone.
fn artifact_refusal(
    behaviour: &Behaviour,
    reference: &str,
    stored: &StoredManifest,
) -> Option<Response> {
    let mut tags = behaviour.refused_tags.iter();
    if tags.any(|pattern| is_like(reference, pattern)) {
        let message = format!("the tag {reference} is not accepted here");
        return Some(Response::error(400, "TAG_INVALID", &message));
    }
    let refused = |why: &str| {
        let status = behaviour.refusal_status;
        Some(Response::error(status, "MANIFEST_INVALID", why))
    };
    if behaviour.refuses_subjects && subject(&stored.bytes).is_some() {
        return refused("additional property subject is not allowed");
    }
    let manifest: Value = serde_json::from_slice(&stored.bytes).ok()?;
    let config = manifest["config"]["mediaType"].as_str()?;
    if behaviour.refuses_artifact_types && ![OCI_CONFIG, DOCKER_CONFIG].contains(&config) {
        return refused(&format!("configuration type {config} is not accepted here"));
    }
    None
}

fn immutable(
    shared: &Shared,
    behaviour: &Behaviour,
    repository: &str,
    reference: &str,
    stored: &StoredManifest,
) -> Option<Response> {
    let style = behaviour.immutable_tags?;
    let present = shared.store.manifest(repository, reference)?;
    if present.digest == stored.digest {
        return None;
    }
    let message = format!(
        "The image tag '{reference}' already exists in the '{repository}' repository and cannot be overwritten because the tag is immutable."
    );
    Some(match style {
        ImmutableTags::Ecr => Response::error(400, "TAG_INVALID", &message),
        ImmutableTags::Harbor => Response::error(412, "PRECONDITION", &message),
        ImmutableTags::Conflict => Response::error(409, "CONFLICT", &message),
    })
}

fn missing(shared: &Shared, repository: &str, stored: &StoredManifest) -> Option<Response> {
    let (manifests, blobs) = match references(stored) {
        Ok(found) => found,
        Err(message) => return Some(Response::error(400, "MANIFEST_INVALID", &message)),
    };
    let store = &shared.store;
    let manifest = manifests
        .iter()
        .find(|child| store.manifest(repository, child.digest.as_str()).is_none());
    let blob = blobs
        .iter()
        .find(|blob| store.blob(repository, blob.digest.as_str()).is_none());
    let missing = manifest.or(blob)?;
    let message = format!("blob unknown to registry: {}", missing.digest);
    Some(Response::error(400, "MANIFEST_BLOB_UNKNOWN", &message))
}

fn media_type(request: &Request, bytes: &[u8]) -> String {
    let stated = || {
        let manifest: Value = serde_json::from_slice(bytes).ok()?;
        Some(manifest["mediaType"].as_str()?.to_owned())
    };
    let header = request.header("content-type").map(str::to_owned);
    header.or_else(stated).unwrap_or_default()
}

fn stating_digest(shared: &Shared, response: Response, digest: &str) -> Response {
    if shared.behaviour().states_digests {
        response.header("docker-content-digest", digest)
    } else {
        response
    }
}
