//! Content-Encoding (RFC 9110, section 8.4). None is ever asked for and none is undone: what counts is whether the bytes, as they
//! come, have the digest.

use image_sync_shared::failure::FailureClass;
use image_sync_shared::text::excerpt;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};

/// The encoding that an answer is labelled with. Some registries and stores put the one that a blob itself has, or that it was
/// uploaded with, so that a label alone says nothing.
pub(crate) fn label(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes)?;
    let label = excerpt(value.trim_ascii().escape_ascii());
    (!label.is_empty() && !label.eq_ignore_ascii_case("identity")).then_some(label)
}

/// The class and the words for an answer whose bytes are other ones than were promised: with a label they were encoded once more,
/// and would be so again.
pub(crate) fn mismatch(headers: &HeaderMap, found: &str) -> (FailureClass, String) {
    explained(label(headers).as_deref(), found)
}

/// The same where the label was kept.
pub(crate) fn explained(label: Option<&str>, found: &str) -> (FailureClass, String) {
    match label {
        None => (FailureClass::DigestMismatch, found.to_owned()),
        Some(label) => (
            FailureClass::Invalid,
            format!(
                "{found}; it came with Content-Encoding {label}, although it was asked for as it is: the registry, or a proxy \
                 before it, must not encode it"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_and_nothing_are_no_label() {
        let of = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            label(&HeaderMap::from_iter([(CONTENT_ENCODING, value)]))
        };
        assert_eq!(label(&HeaderMap::new()), None);
        assert_eq!((of(""), of(" "), of("Identity")), (None, None, None));
        assert_eq!(of("x-gzip").as_deref(), Some("x-gzip"));
    }
}
