//! The bodies of fuzz targets: answers of registries, and files that others may have written.

use image_sync_fuzzkit::{first_lines, text};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

pub use crate::auth::fuzzing::challenge;
pub use crate::credentials::fuzzing::auth_file;
pub use crate::distribution::blobs::fuzzing::content_range;
pub use crate::distribution::referrers::fuzzing::referrers;
pub use crate::http::fuzzing::refusal_texts;
pub use crate::layout::fuzzing::layout_index;

/// A URL in the first line, then a Location or a Link in each: none leads from https to plain HTTP, to another scheme, or,
/// where the next page is meant, to another host.
pub fn redirect(input: &[u8]) {
    let ([from], values) = first_lines(input);
    let Ok(from) = text(from).parse::<Url>() else {
        return;
    };
    if !matches!(from.scheme(), "http" | "https") {
        return;
    }
    for value in values.split(|byte| *byte == b'\n') {
        crate::http::fuzzing::redirect(&from, value);
        crate::distribution::uploads::fuzzing::location(&from, value);
        crate::distribution::lists::fuzzing::link(&from, value);
    }
}

/// Headers with one of this name and value, if it is a value.
pub(crate) fn headers(name: HeaderName, value: &[u8]) -> HeaderMap {
    let value = HeaderValue::from_bytes(value).ok();
    value.map(|value| (name, value)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use image_sync_fuzzkit::run_seeds;

    #[test]
    fn challenges_of_any_bytes_hold() {
        run_seeds("challenge", super::challenge).unwrap();
    }

    #[test]
    fn redirects_and_links_to_anywhere_hold() {
        run_seeds("redirect", super::redirect).unwrap();
    }

    #[test]
    fn refusals_of_any_words_hold() {
        run_seeds("refusal_texts", super::refusal_texts).unwrap();
    }

    #[test]
    fn content_ranges_of_any_bytes_hold() {
        run_seeds("content_range", super::content_range).unwrap();
    }

    #[test]
    fn layout_indexes_of_any_bytes_hold() {
        run_seeds("layout_index", super::layout_index).unwrap();
    }

    #[test]
    fn pages_of_referrers_of_any_bytes_hold() {
        run_seeds("referrers", super::referrers).unwrap();
    }

    #[test]
    fn auth_files_of_any_bytes_hold() {
        run_seeds("auth_file", super::auth_file).unwrap();
    }
}
