//! Fills a registry with an image, byte for byte.

use std::io;

use super::http::Server;
use crate::images::Image;

/// Pushes an image with all that belongs to it: children by digest, the image itself under `tag`.
pub(super) async fn push(
    server: &Server,
    repository: &str,
    tag: &str,
    image: &Image,
) -> io::Result<()> {
    for blob in image.all_blobs() {
        push_blob(server, repository, blob.digest.as_str(), &blob.bytes).await?;
    }
    let manifests = image.manifests();
    for (i, manifest) in manifests.iter().enumerate() {
        let last = i + 1 == manifests.len();
        let reference = if last { tag } else { manifest.digest.as_str() };
        let path = format!("/v2/{repository}/manifests/{reference}");
        let answer = server.request("PUT", &path, &manifest.media_type, &manifest.bytes);
        answer.await?.expect(201)?;
    }
    Ok(())
}

async fn push_blob(
    server: &Server,
    repository: &str,
    digest: &str,
    bytes: &[u8],
) -> io::Result<()> {
    let octets = "application/octet-stream";
    let path = format!("/v2/{repository}/blobs/uploads/");
    let started = server
        .request("POST", &path, octets, &[])
        .await?
        .expect(202)?;
    let location = started.location.unwrap_or_default();
    let mark = if location.contains('?') { '&' } else { '?' };
    let target = format!("{location}{mark}digest={digest}");
    server
        .request("PUT", &target, octets, bytes)
        .await?
        .expect(201)?;
    Ok(())
}
