//! Redirects and refusals of any bytes.

use image_sync_fuzzkit::{assert_presentable, first_lines, text};
use image_sync_shared::failure::{Side, Step};
use image_sync_shared::secret::Secret;
use reqwest::header::{LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use time::macros::datetime;

use super::redaction::Secrets;
use super::transport::redirect::next;
use super::{RequestError, refusal};
use crate::fuzzing::headers;

/// What a registry may repeat.
const PASSWORD: &str = "hunter2/\"s3cret\"";

pub(crate) fn redirect(from: &Url, value: &[u8]) {
    let headers = headers(LOCATION, value);
    for status in [StatusCode::TEMPORARY_REDIRECT, StatusCode::SEE_OTHER] {
        match next(&Method::GET, from, status, &headers) {
            Ok(to) => {
                let to = to.as_ref().map(Url::scheme);
                let is_allowed =
                    to == Some("https") || to == Some("http") && from.scheme() == "http";
                assert!(is_allowed, "{to:?} from {from}");
            }
            Err(error) => assert_told(error),
        }
    }
}

fn assert_told(error: RequestError) {
    let failure = error.at(Side::Source, Step::PullManifest, "a.test/b:1");
    assert_presentable(&failure.to_string());
}

/// A status in the first line, Retry-After in the second, then a body, in which `PASSWORD` stands for a password in several
/// forms: what is told of it is short, clean and without the password.
///
/// # Panics
/// If that does not hold.
pub fn refusal_texts(input: &[u8]) {
    let ([status, retry_after], body) = first_lines(input);
    let Some(status) = text(status)
        .parse()
        .ok()
        .and_then(|n| StatusCode::from_u16(n).ok())
    else {
        return;
    };
    let now = datetime!(2026-11-20 12:00 UTC);
    let wait = refusal::retry_after(&headers(RETRY_AFTER, retry_after), now);
    let escaped = serde_json::to_string(PASSWORD).unwrap_or_default();
    let escaped = escaped.trim_matches('"');
    for form in [PASSWORD, escaped, &escaped.replace('/', "\\/")] {
        let body = String::from_utf8_lossy(body).replace("PASSWORD", form);
        let secrets = Secrets::default();
        secrets.note(&Secret::new(PASSWORD));
        let told = refusal::judge(
            status,
            refusal::WriteKind::Nothing,
            wait,
            &secrets.hide_in(&body),
        );
        let error = secrets.hide_in_error(&told);
        assert!(!error.answer.contains(PASSWORD), "{}", error.answer);
        assert_told(error);
    }
}
