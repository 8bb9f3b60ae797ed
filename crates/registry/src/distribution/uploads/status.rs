//! How far an upload came (OCI distribution spec, section "Pushing a blob in chunks": GET of an upload session).

use image_sync_shared::failure::Failure;
use reqwest::header::{HeaderMap, RANGE};
use reqwest::{Method, Url};

use super::location;
use crate::client::{Client, Operation, Target};

/// Where an upload goes on, and how many bytes the registry has, as far as it says so.
pub(super) struct UploadStatus {
    pub(super) location: Url,
    pub(super) received: Option<u64>,
}

/// Asks the registry for the state of an upload.
pub(super) async fn ask(
    client: &Client,
    operation: &Operation<'_>,
    location: &Url,
) -> Result<UploadStatus, Failure> {
    let target = Target::Url(location.clone());
    let request = operation.request(Method::GET, target);
    let answer = client.send(request).await?;
    let next = location::next(answer.url(), answer.headers());
    Ok(UploadStatus {
        // Without a Location it stays where it was.
        location: next.unwrap_or_else(|_missing| location.clone()),
        received: received(answer.headers()),
    })
}

/// How many bytes of an upload the registry has, by `Range: 0-LAST`. `0-0` is said of none and of one; one of these is sent again
/// rather than left out.
pub(super) fn received(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?.trim();
    let range = text.strip_prefix("bytes").unwrap_or(text);
    let (first, last) = range.trim_start_matches(['=', ' ']).split_once('-')?;
    // Of none some say 0--1.
    let last: i64 = last.parse().ok()?;
    let count = if last <= 0 {
        0
    } else {
        last.unsigned_abs() + 1
    };
    (first == "0").then_some(count)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_range_tells_how_many_bytes_there_are() {
        let of = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            received(&HeaderMap::from_iter([(RANGE, value)]))
        };
        assert_eq!(of("0-1023"), Some(1024));
        assert_eq!(of("bytes=0-1023"), Some(1024));
        assert_eq!(of("bytes 0-1"), Some(2));
        assert_eq!((of("0-0"), of("0--1")), (Some(0), Some(0)));
        for unknown in ["", "5-9", "0", "0-x", "x-9", "0-99999999999999999999"] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
        assert_eq!(received(&HeaderMap::new()), None);
    }
}
