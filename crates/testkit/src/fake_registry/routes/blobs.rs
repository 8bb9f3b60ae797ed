//! Blobs.

use std::ops::Range;

use crate::fake_registry::http::response::Response;
use crate::fake_registry::records::Request;
use crate::fake_registry::shared::Shared;

pub(super) fn get(shared: &Shared, request: &Request, repository: &str, digest: &str) -> Response {
    let Some(content) = shared.store.blob(repository, digest) else {
        return unknown();
    };
    let length = content.len();
    let response = Response::new(200)
        .content(content)
        .header("content-type", "application/octet-stream")
        .header("docker-content-digest", digest)
        .header("accept-ranges", "bytes");
    let asked = request
        .header("range")
        .filter(|_| shared.behaviour().ranges);
    match asked.and_then(|asked| range(asked, length)) {
        None => response,
        Some(part) if part.start >= length => {
            Response::error(416, "RANGE_INVALID", "there are not so many bytes")
        }
        Some(part) => {
            let stated = format!("bytes {}-{}/{length}", part.start, part.end - 1);
            response.part(part).header("content-range", &stated)
        }
    }
}

pub(super) fn delete(shared: &Shared, repository: &str, digest: &str) -> Response {
    if shared.store.remove_blob(repository, digest) {
        Response::new(202)
    } else {
        unknown()
    }
}

fn unknown() -> Response {
    Response::error(404, "BLOB_UNKNOWN", "blob unknown to registry")
}

/// The bytes that a Range header asks for: `bytes=5-`, `bytes=5-9` (RFC 9110, section 14.1.2).
fn range(value: &str, length: u64) -> Option<Range<u64>> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let end = match last {
        "" => length,
        last => last.parse::<u64>().ok()?.saturating_add(1).min(length),
    };
    Some(first..end.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(range("bytes=5-", 10), Some(5..10));
        assert_eq!(range("bytes=0-3", 10), Some(0..4));
        assert_eq!(range("bytes=5-99", 10), Some(5..10));
        assert_eq!(range("bytes=12-", 10), Some(12..12));
        assert_eq!(range("lines=1-2", 10), None);
    }
}
