//! Upload sessions.

use std::io;

use image_sync_shared::image::digest::Digest;

use crate::fake_registry::behaviour::{Behaviour, Mounts, UploadLocation, Uploads};
use crate::fake_registry::http::body::Body;
use crate::fake_registry::http::response::Response;
use crate::fake_registry::records::Request;
use crate::fake_registry::shared::Shared;
use crate::fake_registry::store::content::Content;
use crate::fake_registry::store::upload::Upload;

pub(super) async fn post(
    shared: &Shared,
    request: &Request,
    body: &mut Body<'_>,
    repository: &str,
) -> io::Result<Response> {
    let behaviour = shared.behaviour();
    if !behaviour.creates_repositories && !shared.store.has_repository(repository) {
        body.drain().await?;
        let message = "the repository does not exist";
        return Ok(Response::error(404, "NAME_UNKNOWN", message));
    }
    let pretended = request.parameter("mount");
    if let Some(digest) = pretended.filter(|_| behaviour.mounts == Mounts::Pretended) {
        body.drain().await?;
        return Ok(created(repository, &digest));
    }
    let mounted = request.parameter("mount").and_then(|digest| {
        let content = mountable(shared, &behaviour, request, &digest)?;
        Some((digest, content))
    });
    if let Some((digest, content)) = mounted {
        body.drain().await?;
        shared.store.put_blob(repository, &digest, content);
        return Ok(created(repository, &digest));
    }
    let mut upload = Upload::new(repository, behaviour.discards_blobs);
    if let Some(digest) = request
        .parameter("digest")
        .filter(|_| behaviour.post_whole_blobs)
    {
        receive(&mut upload, body).await?;
        return Ok(finish(shared, upload, &digest));
    }
    body.drain().await?;
    let id = shared.store.start_upload(upload);
    let begun = Response::new(202)
        .header("location", &location(shared, &behaviour, repository, &id))
        .header("docker-upload-uuid", &id)
        .header("range", "0-0");
    let stated = [
        ("oci-chunk-min-length", behaviour.chunk_min),
        ("oci-chunk-max-length", behaviour.chunk_max),
    ];
    let stated = stated
        .into_iter()
        .filter_map(|(name, length)| Some((name, length?.to_string())));
    Ok(stated.fold(begun, |begun, (name, length)| begun.header(name, &length)))
}

pub(super) async fn patch(
    shared: &Shared,
    request: &Request,
    body: &mut Body<'_>,
    id: &str,
) -> io::Result<Response> {
    let behaviour = shared.behaviour();
    if behaviour.uploads == Uploads::PutOnly {
        body.drain().await?;
        return Ok(Response::error(
            405,
            "UNSUPPORTED",
            "PATCH is not supported",
        ));
    }
    let Some(mut upload) = shared.store.take_upload(id) else {
        body.drain().await?;
        return Ok(unknown());
    };
    let dropped = behaviour.uploads == Uploads::FirstPatchIsAll && upload.length() > 0;
    let start = request.header("content-range").and_then(range_start);
    let misplaced = start.is_some_and(|start| start != upload.length());
    let received = if dropped || misplaced {
        body.drain().await
    } else {
        receive(&mut upload, body).await
    };
    let (repository, range) = (upload.repository.clone(), upload.received());
    upload.cut |= received.is_err();
    shared.store.keep_upload(id, upload);
    received?;
    let status = match behaviour.uploads {
        _ if misplaced => 416,
        Uploads::FirstPatchIsAll => 201,
        _ => 202,
    };
    Ok(Response::new(status)
        .header("location", &location(shared, &behaviour, &repository, id))
        .header("docker-upload-uuid", id)
        .header("range", &range))
}

pub(super) async fn put(
    shared: &Shared,
    request: &Request,
    body: &mut Body<'_>,
    id: &str,
) -> io::Result<Response> {
    let Some(digest) = request.parameter("digest") else {
        body.drain().await?;
        return Ok(Response::error(
            400,
            "DIGEST_INVALID",
            "no digest in the query",
        ));
    };
    let Some(mut upload) = shared.store.take_upload(id) else {
        body.drain().await?;
        return Ok(unknown());
    };
    let before = upload.length();
    if let Err(error) = receive(&mut upload, body).await {
        upload.cut = true;
        shared.store.keep_upload(id, upload);
        return Err(error);
    }
    if shared.behaviour().uploads == Uploads::PatchOnly && upload.length() > before {
        shared.store.keep_upload(id, upload);
        let message = "a PUT must not have a body";
        return Ok(Response::error(400, "BLOB_UPLOAD_INVALID", message));
    }
    shared.store.end_upload(id);
    Ok(finish(shared, upload, &digest))
}

pub(super) fn status(shared: &Shared, id: &str) -> Response {
    let Some(mut upload) = shared.store.take_upload(id) else {
        return unknown();
    };
    upload.cut = false;
    let location = location(shared, &shared.behaviour(), &upload.repository, id);
    let range = upload.received();
    shared.store.keep_upload(id, upload);
    Response::new(204)
        .header("location", &location)
        .header("docker-upload-uuid", id)
        .header("range", &range)
}

pub(super) fn delete(shared: &Shared, id: &str) -> Response {
    if shared.behaviour().cancels_known_uploads_only
        && let Some(upload) = shared.store.take_upload(id)
    {
        let cut = upload.cut;
        shared.store.keep_upload(id, upload);
        if cut {
            return Response::error(416, "RANGE_INVALID", "the upload is further than this");
        }
    }
    if shared.store.end_upload(id) {
        Response::new(204)
    } else {
        unknown()
    }
}

fn finish(shared: &Shared, upload: Upload, digest: &str) -> Response {
    let Ok(expected) = digest.parse::<Digest>() else {
        return Response::error(400, "DIGEST_INVALID", "not a digest");
    };
    let repository = upload.repository.clone();
    match upload.finish(&expected) {
        Ok(content) => {
            shared.store.put_blob(&repository, digest, content);
            created(&repository, digest)
        }
        Err(found) => {
            let message = format!("provided digest did not match uploaded content: {found}");
            Response::error(400, "DIGEST_INVALID", &message)
        }
    }
}

async fn receive(upload: &mut Upload, body: &mut Body<'_>) -> io::Result<()> {
    while let Some(bytes) = body.next().await? {
        upload.push(&bytes);
    }
    Ok(())
}

/// What a request of an upload is refused with whose body is too long.
pub(super) fn too_long(shared: &Shared, request: &Request) -> Option<Response> {
    let limit = shared.behaviour().body_limit?;
    let length: u64 = request.header("content-length")?.parse().ok()?;
    (length > limit).then(|| Response::new(413).closing())
}

fn mountable(
    shared: &Shared,
    behaviour: &Behaviour,
    request: &Request,
    digest: &str,
) -> Option<Content> {
    match (behaviour.mounts, request.parameter("from")) {
        (Mounts::Allowed, Some(from)) => shared.store.blob(&from, digest),
        (Mounts::FromAnywhere, _) => shared.store.blob_anywhere(digest),
        _ => None,
    }
}

fn location(shared: &Shared, behaviour: &Behaviour, repository: &str, id: &str) -> String {
    let path = format!("/v2/{repository}/blobs/uploads/{id}");
    match &behaviour.upload_location {
        UploadLocation::Relative => path,
        UploadLocation::Absolute => format!("{}{path}", shared.url),
        UploadLocation::WithQuery => format!("{}{path}?_state=a%2Fb%3D%3D&part=1", shared.url),
        UploadLocation::At(base) => format!("{base}{path}"),
    }
}

fn range_start(value: &str) -> Option<u64> {
    value.split_once('-')?.0.parse().ok()
}

fn created(repository: &str, digest: &str) -> Response {
    Response::new(201)
        .header("location", &format!("/v2/{repository}/blobs/{digest}"))
        .header("docker-content-digest", digest)
}

fn unknown() -> Response {
    Response::error(
        404,
        "BLOB_UPLOAD_UNKNOWN",
        "blob upload unknown to registry",
    )
}
