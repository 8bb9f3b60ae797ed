//! What the head of an answer to GET of a blob says (RFC 9110, sections 8.6 and 14.4).

use image_sync_shared::failure::FailureClass;
use image_sync_shared::text::excerpt;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName};

use crate::http::body::encoding::mismatch;

/// Why an answer is of no use: its class, and what it said.
pub(super) type Unusable = (FailureClass, String);

/// How many bytes of the body to skip, so that it goes on at `offset` of a blob of `size` bytes. A registry that ignores
/// Range sends the blob from its start.
pub(super) fn bytes_to_skip(
    status: StatusCode,
    headers: &HeaderMap,
    offset: u64,
    size: u64,
) -> Result<u64, Unusable> {
    let starts_at = if status == StatusCode::PARTIAL_CONTENT {
        range_start(headers, offset, size)?
    } else {
        0
    };
    if let Some(length) = text(headers, &CONTENT_LENGTH)
        && length.parse() != Ok(size - starts_at)
    {
        let expected = size - starts_at;
        let found = format!(
            "the answer has {} bytes, expected {expected}",
            excerpt(length)
        );
        return Err(mismatch(headers, &found));
    }
    Ok(offset - starts_at)
}

/// Where the range of a 206 starts, which must be the one that was asked for.
fn range_start(headers: &HeaderMap, offset: u64, size: u64) -> Result<u64, Unusable> {
    let stated = text(headers, &CONTENT_RANGE).unwrap_or_default();
    let range = stated.strip_prefix("bytes ").unwrap_or_default();
    let (span, total) = range.split_once('/').unwrap_or_default();
    let start = span
        .split_once('-')
        .and_then(|(start, _)| start.parse().ok());
    // The total may be unknown (RFC 9110, section 14.4).
    if start == Some(offset) && (total == "*" || total.parse() == Ok(size)) {
        Ok(offset)
    } else {
        Err((
            // A class that is tried again: another answer, or that of another server, may be right.
            FailureClass::DigestMismatch,
            format!(
                "the answer has Content-Range {:?}, expected {offset}- of {size}",
                excerpt(stated)
            ),
        ))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use reqwest::header::{CONTENT_ENCODING, HeaderValue};

    use super::*;

    fn skip(
        status: StatusCode,
        headers: &[(HeaderName, &'static str)],
        offset: u64,
    ) -> Result<u64, Unusable> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        bytes_to_skip(status, &headers, offset, 100)
    }

    #[test]
    fn a_blob_comes_from_its_start() {
        assert_eq!(skip(StatusCode::OK, &[(CONTENT_LENGTH, "100")], 0), Ok(0));
        assert_eq!(skip(StatusCode::OK, &[], 0), Ok(0), "chunked");
    }

    #[test]
    fn another_length_is_refused_at_once() {
        for length in ["99", "101", "x"] {
            let (class, answer) = skip(StatusCode::OK, &[(CONTENT_LENGTH, length)], 0).unwrap_err();
            assert_eq!(class, FailureClass::DigestMismatch);
            assert!(
                answer.contains(length) && answer.contains("100"),
                "{answer}"
            );
        }
        let rest = [(CONTENT_RANGE, "bytes 40-99/100"), (CONTENT_LENGTH, "100")];
        assert!(skip(StatusCode::PARTIAL_CONTENT, &rest, 40).is_err());
    }

    #[test]
    fn a_content_encoding_is_a_mere_label_where_the_length_is_right() {
        for label in ["gzip", "x-gzip", "aws-chunked", "", "Identity"] {
            let labelled = [(CONTENT_ENCODING, label), (CONTENT_LENGTH, "100")];
            assert_eq!(skip(StatusCode::OK, &labelled, 0), Ok(0), "{label}");
        }
        let encoded = [(CONTENT_ENCODING, "gzip"), (CONTENT_LENGTH, "90")];
        let (class, answer) = skip(StatusCode::OK, &encoded, 0).unwrap_err();
        assert_eq!(class, FailureClass::Invalid);
        assert!(answer.contains("Content-Encoding gzip"), "{answer}");
    }

    #[test]
    fn a_cut_blob_goes_on_where_it_was() {
        let rest = [(CONTENT_RANGE, "bytes 40-99/100"), (CONTENT_LENGTH, "60")];
        assert_eq!(skip(StatusCode::PARTIAL_CONTENT, &rest, 40), Ok(0));
        let unknown_total = [(CONTENT_RANGE, "bytes 40-99/*")];
        assert_eq!(skip(StatusCode::PARTIAL_CONTENT, &unknown_total, 40), Ok(0));
        let whole = [(CONTENT_LENGTH, "100")];
        assert_eq!(
            skip(StatusCode::OK, &whole, 40),
            Ok(40),
            "Range was ignored"
        );
    }

    #[test]
    fn another_range_is_refused() {
        for range in [
            "bytes 39-99/100",
            "bytes 40-99/101",
            "bytes */100",
            "40-99/100",
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_static(range))]);
            let refused = bytes_to_skip(StatusCode::PARTIAL_CONTENT, &headers, 40, 100);
            assert_eq!(
                refused.unwrap_err().0,
                FailureClass::DigestMismatch,
                "{range}"
            );
        }
        assert!(skip(StatusCode::PARTIAL_CONTENT, &[], 40).is_err());
    }
}
