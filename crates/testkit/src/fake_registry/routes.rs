//! The endpoints (OCI distribution spec, section "Endpoints").

mod blobs;
mod lists;
mod manifests;
mod referrers;
mod uploads;

use std::io;

use super::auth::scopes::Scopes;
use super::http::body::Body;
use super::http::response::Response;
use super::records::Request;
use super::shared::Shared;
use crate::sync::lock::read;

/// What a path speaks of.
#[derive(Debug, PartialEq, Eq)]
enum Resource<'a> {
    Ping,
    Catalog,
    Tags(&'a str),
    Manifest(&'a str, &'a str),
    Blob(&'a str, &'a str),
    Uploads(&'a str),
    Upload(&'a str, &'a str),
    Referrers(&'a str, &'a str),
    Unknown,
}

/// The true answer to a request.
pub(super) async fn answer(
    shared: &Shared,
    request: &Request,
    body: &mut Body<'_>,
) -> io::Result<Response> {
    if let Some(tokens) = shared.tokens.as_ref().filter(|_| request.path == "/token") {
        let form = body.all().await?;
        return Ok(tokens.answer(request, &form));
    }
    let resource = parse(&request.path);
    if let Some(refusal) = without_length(shared, request) {
        return Ok(refusal);
    }
    if let Resource::Upload(..) = resource
        && let Some(refusal) = uploads::too_long(shared, request)
    {
        return Ok(refusal);
    }
    let refusal = refusal(shared, request, &resource);
    if let Some(refusal) = refusal {
        body.drain().await?;
        return Ok(refusal);
    }
    match (request.method.as_str(), resource) {
        ("PUT", Resource::Manifest(repository, reference)) => {
            let bytes = body.all().await?;
            Ok(manifests::put(
                shared, request, repository, reference, bytes,
            ))
        }
        ("POST", Resource::Uploads(repository)) => {
            uploads::post(shared, request, body, repository).await
        }
        ("PATCH", Resource::Upload(_, id)) => uploads::patch(shared, request, body, id).await,
        ("PUT", Resource::Upload(_, id)) => uploads::put(shared, request, body, id).await,
        (method, resource) => {
            body.drain().await?;
            Ok(without_body(shared, request, method, &resource))
        }
    }
}

fn without_body(
    shared: &Shared,
    request: &Request,
    method: &str,
    resource: &Resource<'_>,
) -> Response {
    match (method, resource) {
        ("GET" | "HEAD", Resource::Ping) => Response::new(200).json(&serde_json::json!({})),
        ("GET", Resource::Catalog) => lists::catalog(shared, request),
        ("GET", Resource::Tags(repository)) => lists::tags(shared, request, repository),
        ("GET", Resource::Referrers(repository, digest)) => {
            referrers::get(shared, request, repository, digest)
        }
        ("GET" | "HEAD", Resource::Manifest(repository, reference)) => {
            manifests::get(shared, repository, reference)
        }
        ("DELETE", Resource::Manifest(repository, reference)) => {
            manifests::delete(shared, repository, reference)
        }
        ("GET" | "HEAD", Resource::Blob(repository, digest)) => {
            blobs::get(shared, request, repository, digest)
        }
        ("DELETE", Resource::Blob(repository, digest)) => blobs::delete(shared, repository, digest),
        ("GET", Resource::Upload(_, id)) => uploads::status(shared, id),
        ("DELETE", Resource::Upload(_, id)) => uploads::delete(shared, id),
        (_, Resource::Unknown) => Response::error(404, "NOT_FOUND", "no such page"),
        _ => Response::error(405, "UNSUPPORTED", "no such method here"),
    }
}

fn without_length(shared: &Shared, request: &Request) -> Option<Response> {
    let states_it = ["content-length", "transfer-encoding"]
        .iter()
        .any(|name| request.header(name).is_some());
    let wanted = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
    (wanted && !states_it && shared.behaviour().wants_length).then(|| Response::new(411))
}

fn refusal(shared: &Shared, request: &Request, resource: &Resource<'_>) -> Option<Response> {
    let behaviour = shared.behaviour();
    if behaviour.open_ping && *resource == Resource::Ping {
        return None;
    }
    let auth = read(&shared.auth).clone();
    let needed = needed(request, resource, &behaviour.scope_prefix);
    auth.refusal(request, &needed, &shared.url, &behaviour)
}

/// The scopes that a request needs, as distribution asks for them.
fn needed(request: &Request, resource: &Resource<'_>, prefix: &str) -> Scopes {
    let mut scopes = Scopes::default();
    match resource {
        Resource::Ping | Resource::Unknown => {}
        Resource::Catalog => scopes.add("registry:catalog", &["*"]),
        Resource::Tags(repository)
        | Resource::Manifest(repository, _)
        | Resource::Blob(repository, _)
        | Resource::Uploads(repository)
        | Resource::Upload(repository, _)
        | Resource::Referrers(repository, _) => {
            let actions: &[&str] = match (request.method.as_str(), resource) {
                ("GET" | "HEAD", _) => &["pull"],
                ("DELETE", Resource::Manifest(..) | Resource::Blob(..)) => &["delete"],
                _ => &["pull", "push"],
            };
            scopes.add(&format!("repository:{prefix}{repository}"), actions);
        }
    }
    if let (Resource::Uploads(_), Some(from)) = (resource, request.parameter("from")) {
        scopes.add(&format!("repository:{prefix}{from}"), &["pull"]);
    }
    scopes
}

fn parse(path: &str) -> Resource<'_> {
    let Some(rest) = path.strip_prefix("/v2/") else {
        return match path {
            "/v2" => Resource::Ping,
            _ => Resource::Unknown,
        };
    };
    if rest.is_empty() {
        return Resource::Ping;
    }
    if rest == "_catalog" {
        return Resource::Catalog;
    }
    if let Some(repository) = rest.strip_suffix("/tags/list") {
        return Resource::Tags(repository);
    }
    if let Some((repository, id)) = rest.rsplit_once("/blobs/uploads/") {
        return match id {
            "" => Resource::Uploads(repository),
            id => Resource::Upload(repository, id),
        };
    }
    if let Some(repository) = rest.strip_suffix("/blobs/uploads") {
        return Resource::Uploads(repository);
    }
    if let Some((repository, reference)) = rest.rsplit_once("/manifests/") {
        return Resource::Manifest(repository, reference);
    }
    if let Some((repository, digest)) = rest.rsplit_once("/blobs/") {
        return Resource::Blob(repository, digest);
    }
    match rest.rsplit_once("/referrers/") {
        Some((repository, digest)) => Resource::Referrers(repository, digest),
        None => Resource::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_speak_of_resources() {
        for (path, resource) in [
            ("/v2/", Resource::Ping),
            ("/v2/_catalog", Resource::Catalog),
            ("/v2/a/b/tags/list", Resource::Tags("a/b")),
            ("/v2/a/b/manifests/1", Resource::Manifest("a/b", "1")),
            (
                "/v2/blobs/blobs/sha256:1",
                Resource::Blob("blobs", "sha256:1"),
            ),
            ("/v2/a/blobs/uploads/", Resource::Uploads("a")),
            ("/v2/a/blobs/uploads/u1", Resource::Upload("a", "u1")),
            (
                "/v2/a/referrers/sha256:1",
                Resource::Referrers("a", "sha256:1"),
            ),
            ("/v1/", Resource::Unknown),
        ] {
            assert_eq!(parse(path), resource);
        }
    }
}
