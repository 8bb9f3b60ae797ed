//! What refers to a manifest (spec, section "Listing Referrers").

use std::collections::BTreeMap;

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::media_type::OCI_INDEX;
use serde_json::{Value, json};

use super::lists::{ARTIFACT_TYPE, linked, page};
use crate::complete::StoredManifest;
use crate::fake_registry::http::response::Response;
use crate::fake_registry::records::Request;
use crate::fake_registry::shared::Shared;

pub(super) fn get(shared: &Shared, request: &Request, repository: &str, subject: &str) -> Response {
    let behaviour = shared.behaviour();
    if !behaviour.referrers {
        // As docker-registry answers what it has no route for.
        return Response::new(404)
            .header("content-type", "text/plain; charset=utf-8")
            .text("404 page not found\n".to_owned());
    }
    if subject.parse::<Digest>().is_err() {
        return Response::error(400, "DIGEST_INVALID", "provided digest is none");
    }
    if !shared.store.has_repository(repository) {
        return Response::error(404, "NAME_UNKNOWN", "repository name not known to registry");
    }
    let filter = request
        .parameter(ARTIFACT_TYPE)
        .filter(|_| behaviour.filters_referrers);
    let mut all = referrers(shared, repository, subject);
    if let Some(wanted) = &filter {
        all.retain(|_, descriptor| descriptor[ARTIFACT_TYPE] == **wanted);
    }
    let (page, link) = page(shared, request, all.keys().cloned().collect());
    let page: Vec<Value> = page
        .iter()
        .filter_map(|digest| all.remove(digest))
        .collect();
    let body = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page});
    let response = Response::new(200)
        .json(&body)
        .header("content-type", OCI_INDEX);
    let response = match filter {
        Some(_) => response.header("oci-filters-applied", ARTIFACT_TYPE),
        None => response,
    };
    linked(response, link)
}

/// The digest that a manifest has as its subject.
pub(super) fn subject(manifest: &[u8]) -> Option<String> {
    let manifest: Value = serde_json::from_slice(manifest).ok()?;
    Some(manifest["subject"]["digest"].as_str()?.to_owned())
}

/// The descriptors of what refers to `subject`, by their digests.
fn referrers(shared: &Shared, repository: &str, subject: &str) -> BTreeMap<String, Value> {
    let stored = shared.store.manifests(repository);
    let described = stored.iter().filter_map(|stored| {
        let manifest: Value = serde_json::from_slice(&stored.bytes).ok()?;
        let refers = manifest["subject"]["digest"] == subject;
        refers.then(|| (stored.digest.clone(), descriptor(stored, &manifest)))
    });
    described.collect()
}

fn descriptor(stored: &StoredManifest, manifest: &Value) -> Value {
    let mut descriptor = json!({
        "mediaType": stored.media_type, "digest": stored.digest, "size": stored.bytes.len(),
    });
    let own = &manifest[ARTIFACT_TYPE];
    let artifact_type = match own.as_str() {
        Some("") | None => &manifest["config"]["mediaType"],
        Some(_) => own,
    };
    for (name, value) in [
        (ARTIFACT_TYPE, artifact_type),
        ("annotations", &manifest["annotations"]),
    ] {
        if !value.is_null() {
            descriptor[name] = value.clone();
        }
    }
    descriptor
}
