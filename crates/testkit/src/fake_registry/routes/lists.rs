//! Lists of tags, repositories and referrers.

use serde_json::{Value, json};

use crate::fake_registry::http::response::Response;
use crate::fake_registry::records::Request;
use crate::fake_registry::shared::Shared;

pub(super) fn tags(shared: &Shared, request: &Request, repository: &str) -> Response {
    let Some(tags) = shared.store.tags(repository) else {
        return Response::error(404, "NAME_UNKNOWN", "repository name not known to registry");
    };
    let (page, link) = page(shared, request, tags);
    let response = Response::new(200).json(&json!({"name": repository, "tags": page}));
    linked(response, link)
}

pub(super) fn catalog(shared: &Shared, request: &Request) -> Response {
    let (page, link) = page(shared, request, shared.store.repositories());
    linked(
        Response::new(200).json(&json!({"repositories": page})),
        link,
    )
}

pub(super) fn referrers(shared: &Shared, repository: &str, digest: &str) -> Response {
    if !shared.behaviour().referrers {
        return Response::error(404, "NOT_FOUND", "no such page");
    }
    let referrers: Vec<Value> = shared
        .store
        .manifests(repository)
        .iter()
        .filter_map(|stored| {
            let manifest: Value = serde_json::from_slice(&stored.bytes).ok()?;
            (manifest["subject"]["digest"] == digest).then(|| {
                json!({
                    "mediaType": stored.media_type,
                    "digest": stored.digest,
                    "size": stored.bytes.len(),
                    "artifactType": manifest["artifactType"],
                    "annotations": manifest["annotations"],
                })
            })
        })
        .collect();
    let index = image_sync_shared::image::media_type::OCI_INDEX;
    let body = json!({"schemaVersion": 2, "mediaType": index, "manifests": referrers});
    Response::new(200).json(&body).header("content-type", index)
}

/// One page of `all`, and the Link to the next where there is one (spec, section "Listing Tags").
fn page(shared: &Shared, request: &Request, all: Vec<String>) -> (Vec<String>, Option<String>) {
    let asked: Option<usize> = request.parameter("n").and_then(|n| n.parse().ok());
    let size = shared.behaviour().page_size;
    let size = asked.unwrap_or(size).min(size);
    let last = request.parameter("last").unwrap_or_default();
    let mut rest = all.into_iter().filter(|name| *name > last);
    let page: Vec<String> = rest.by_ref().take(size).collect();
    let more = rest.next().is_some();
    let link = page.last().filter(|_| more).map(|last| {
        let last: String = url::form_urlencoded::byte_serialize(last.as_bytes()).collect();
        format!(r#"<{}?last={last}&n={size}>; rel="next""#, request.path)
    });
    (page, link)
}

fn linked(response: Response, link: Option<String>) -> Response {
    match link {
        Some(link) => response.header("link", &link),
        None => response,
    }
}
