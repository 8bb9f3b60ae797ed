//! Lists of tags and repositories, and their pages.

use serde_json::json;

use crate::fake_registry::http::response::Response;
use crate::fake_registry::records::Request;
use crate::fake_registry::shared::Shared;

/// The parameter by which referrers of one type are asked for.
pub(super) const ARTIFACT_TYPE: &str = "artifactType";

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

/// One page of `all`, and the Link to the next where there is one (spec, sections "Listing Tags" and "Listing Referrers").
pub(super) fn page(
    shared: &Shared,
    request: &Request,
    all: Vec<String>,
) -> (Vec<String>, Option<String>) {
    let asked: Option<usize> = request.parameter("n").and_then(|n| n.parse().ok());
    let size = shared.behaviour().page_size;
    let size = asked.unwrap_or(size).min(size);
    let last = request.parameter("last").unwrap_or_default();
    let mut rest = all.into_iter().filter(|name| *name > last);
    let page: Vec<String> = rest.by_ref().take(size).collect();
    let more = rest.next().is_some();
    let link = page.last().filter(|_| more).map(|last| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("last", last);
        query.append_pair("n", &size.to_string());
        if let Some(filter) = request.parameter(ARTIFACT_TYPE) {
            query.append_pair(ARTIFACT_TYPE, &filter);
        }
        format!(r#"<{}?{}>; rel="next""#, request.path, query.finish())
    });
    (page, link)
}

pub(super) fn linked(response: Response, link: Option<String>) -> Response {
    match link {
        Some(link) => response.header("link", &link),
        None => response,
    }
}
