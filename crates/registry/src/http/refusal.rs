//! Answers that refuse, in words (OCI distribution spec, section "Error Codes").

mod no_room;

use std::time::Duration;

use image_sync_shared::failure::FailureClass;
use image_sync_shared::ports::clock::Clock;
use oci_client::errors::OciErrorCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::redaction::{Secrets, presentable};
use super::{RequestError, body};

/// How much of a refusal's body is read, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// What kind of write a request is, which decides whether a refusal may pass by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteKind {
    /// Nothing.
    Nothing,
    /// It was to begin an upload.
    Upload,
    /// Content, or a manifest that refers to content which was sent before.
    Content,
}

/// Reads what a refusal of a request that was such a write says. Waits up to `patience` for each piece of its body.
pub(crate) async fn explain(
    response: Response,
    write: WriteKind,
    patience: Duration,
    clock: &dyn Clock,
    secrets: &Secrets,
) -> RequestError {
    let status = response.status();
    let retry_after = retry_after(response.headers(), clock.now());
    let body = body::read_some(response, MAX_BODY, patience).await;
    // As it came, for a secret may be cut where its words are, and once more, for they may be an encoded one.
    let body = secrets.hide_in(&String::from_utf8_lossy(&body));
    secrets.hide_in_error(&judge(status, write, retry_after, &body))
}

pub(crate) fn judge(
    status: StatusCode,
    write: WriteKind,
    retry_after: Option<Duration>,
    body: &str,
) -> RequestError {
    let parsed = ParsedRefusal::read(body);
    let status_words = status.canonical_reason().map_or_else(
        || status.as_u16().to_string(),
        |reason| format!("{} {reason}", status.as_u16()),
    );
    let answer = match parsed.words.as_str() {
        "" => status_words,
        words => format!("{status_words}: {words}"),
    };
    let answer = match advice(status, write, body, &parsed.words) {
        "" => answer,
        advice => format!("{}; {advice}", answer.trim_end_matches('.')),
    };
    RequestError {
        status: Some(status.as_u16()),
        ..RequestError::new(classify(status, write, retry_after, &parsed), answer)
    }
}

/// What to do, where that is known.
fn advice(status: StatusCode, write: WriteKind, body: &str, words: &str) -> &'static str {
    // As Go's servers, and nginx, say it.
    let wants_tls = ["HTTP request to an HTTPS server", "sent to HTTPS port"];
    if wants_tls
        .iter()
        .any(|said| words.contains(said) || body.contains(said))
    {
        return "it speaks TLS: take plain_http away, or write https:// in its endpoint";
    }
    match status.as_u16() {
        405 if write != WriteKind::Nothing => {
            "it takes no writes, as one that is read-only or a cache of another registry: name another target"
        }
        400..=407 if body::is_html(body.as_bytes()) => {
            "this is an HTML page and not the answer of a registry: look at the host, its endpoint, and what is in between, as \
             a proxy"
        }
        _ => "",
    }
}

fn classify(
    status: StatusCode,
    write: WriteKind,
    retry_after: Option<Duration>,
    parsed: &ParsedRefusal,
) -> FailureClass {
    let code = |wanted: OciErrorCode| parsed.codes.contains(&wanted);
    let millis = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let retry_after_ms = retry_after.map(millis);
    if let (StatusCode::SERVICE_UNAVAILABLE, Some(retry_after_ms)) = (status, retry_after_ms) {
        return FailureClass::Overloaded { retry_after_ms };
    }
    match status.as_u16() {
        429 => FailureClass::RateLimited { retry_after_ms },
        401 => FailureClass::Unauthorized,
        408 => FailureClass::Timeout,
        500.. => FailureClass::Unavailable,
        // By its words, before the statuses that registries have for it are taken for what they mean otherwise.
        _ if parsed.tag_is_immutable() => FailureClass::ImmutableTag,
        // An upload session that was lost: another attempt starts anew.
        _ if code(OciErrorCode::BlobUploadUnknown) || code(OciErrorCode::BlobUploadInvalid) => {
            FailureClass::Unavailable
        }
        _ if code(OciErrorCode::DigestInvalid) || code(OciErrorCode::SizeInvalid) => {
            FailureClass::DigestMismatch
        }
        // Before it counts as missing: what was sent a moment ago may not be known everywhere yet.
        status if parsed.may_pass(status, write) => FailureClass::Inconsistent,
        _ if code(OciErrorCode::ManifestBlobUnknown) => FailureClass::NotFound,
        403 => FailureClass::Denied,
        404 => FailureClass::NotFound,
        _ => FailureClass::Invalid,
    }
}

/// What the body of a refusal says.
#[derive(Default)]
struct ParsedRefusal {
    codes: Vec<OciErrorCode>,
    words: String,
}

/// The body that the distribution spec prescribes; token servers have others.
#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    errors: Vec<OneError>,
    details: Option<Value>,
    error_description: Option<Value>,
    error: Option<Value>,
    message: Option<Value>,
}

#[derive(Deserialize)]
struct OneError {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    detail: Value,
}

impl ParsedRefusal {
    fn read(body: &str) -> Self {
        match serde_json::from_str::<ErrorBody>(body) {
            Ok(body) => Self::from_json(&body),
            Err(_) => Self::from_text(body),
        }
    }

    fn from_json(body: &ErrorBody) -> Self {
        let code = |error: &OneError| serde_json::from_value(error.code.clone()).ok();
        let words: Vec<String> = body.errors.iter().take(3).map(OneError::words).collect();
        let fallbacks = [
            &body.details,
            &body.error_description,
            &body.error,
            &body.message,
        ];
        let fallback = || {
            fallbacks
                .into_iter()
                .flatten()
                .map(text)
                .find(|text| !text.is_empty())
        };
        let words = match words.join("; ") {
            words if words.is_empty() => fallback().unwrap_or_default().to_owned(),
            words => words,
        };
        Self {
            codes: body.errors.iter().filter_map(code).collect(),
            words: presentable(&words),
        }
    }

    /// Pages of HTML say nothing that helps; of anything else the first line does.
    fn from_text(body: &str) -> Self {
        let line = body.lines().map(str::trim).find(|line| !line.is_empty());
        let words = line.filter(|line| !line.starts_with(['<', '{', '[']));
        Self {
            codes: Vec::new(),
            words: presentable(words.unwrap_or_default()),
        }
    }

    /// Amazon ECR, Harbor, Artifact Registry, Quay, Nexus and others each have a status and code of their own for it.
    fn tag_is_immutable(&self) -> bool {
        let words = self.words.to_ascii_lowercase();
        [
            "immutab",
            "tagalreadyexists",
            "cannot be overwritten",
            "does not allow updating",
        ]
        .iter()
        .any(|wanted| words.contains(wanted))
    }

    /// Whether it may be that the registry does not know yet what it was sent, or is still at work on it.
    fn may_pass(&self, status: u16, write: WriteKind) -> bool {
        let missing = |code: &OciErrorCode| {
            matches!(
                code,
                OciErrorCode::ManifestBlobUnknown
                    | OciErrorCode::BlobUnknown
                    | OciErrorCode::ManifestUnknown
                    | OciErrorCode::NameUnknown
            )
        };
        // A code of the standard that says something else is about something else.
        let open = self
            .codes
            .iter()
            .all(|code| matches!(code, OciErrorCode::Other(_)));
        match (write, status) {
            (WriteKind::Content, _) if self.codes.iter().any(missing) => true,
            (WriteKind::Content, 404 | 412)
            | (WriteKind::Content | WriteKind::Upload, 409 | 423) => open,
            _ => false,
        }
    }
}

impl OneError {
    fn words(&self) -> String {
        let reason = no_room::reason_in(&self.detail);
        let parts = [
            text(&self.code),
            text(&self.message),
            reason.unwrap_or_default(),
        ];
        let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        said.join(": ")
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// How long Retry-After asks to wait: seconds, or the time until a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| {
        httpdate::parse_http_date(text)
            .ok()
            .map(OffsetDateTime::from)
    };
    // By the clock of who wrote it, if the answer says what that shows (RFC 9110, section 6.6.1).
    let written = headers
        .get(DATE)
        .and_then(|value| date(value.to_str().ok()?.trim()));
    // A date that has passed asks for no wait.
    Some(Duration::try_from(date(text)? - written.unwrap_or(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn told(status: u16, body: &str) -> RequestError {
        judge(status_code(status), WriteKind::Nothing, None, body)
    }

    fn status_code(status: u16) -> StatusCode {
        StatusCode::from_u16(status).unwrap()
    }

    fn error(code: &str, message: &str) -> String {
        format!(r#"{{"errors":[{{"code":"{code}","message":"{message}","detail":null}}]}}"#)
    }

    #[test]
    fn a_full_disk_of_the_registry_is_told_in_words() {
        let body = r#"{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":
            {"DriverName":"filesystem","Enclosed":{"Op":"write","Path":"/var/lib/registry/data","Err":28}}}]}"#;
        let expected = "500 Internal Server Error: UNKNOWN: unknown error: no space left on device";
        assert_eq!(told(500, body).answer, expected);
        assert_eq!(told(507, "").answer, "507 Insufficient Storage");
    }

    #[test]
    fn what_can_be_done_is_told() {
        let write = |kind| judge(status_code(405), kind, None, "").answer;
        assert!(write(WriteKind::Upload).contains("it takes no writes"));
        assert_eq!(write(WriteKind::Nothing), "405 Method Not Allowed");
        let page = " \n<!DOCTYPE html><title>Log in</title>";
        let told_403 = told(403, page).answer;
        assert!(
            told_403.contains("403 Forbidden; this is an HTML page"),
            "{told_403}"
        );
        assert_eq!(told(502, page).answer, "502 Bad Gateway");
        let tls = "Client sent an HTTP request to an HTTPS server.\n";
        assert!(
            told(400, tls)
                .answer
                .ends_with("write https:// in its endpoint")
        );
    }

    #[test]
    fn each_status_has_its_class() {
        use FailureClass as C;
        let limited = C::RateLimited {
            retry_after_ms: None,
        };
        for (status, class) in [
            (400, C::Invalid),
            (401, C::Unauthorized),
            (403, C::Denied),
            (404, C::NotFound),
            (405, C::Invalid),
            (408, C::Timeout),
            (409, C::Invalid),
            (413, C::Invalid),
            (415, C::Invalid),
            (429, limited),
            (500, C::Unavailable),
            (503, C::Unavailable),
            (599, C::Unavailable),
        ] {
            assert_eq!(told(status, "").class, class, "{status}");
        }
    }

    #[test]
    fn a_tag_that_cannot_be_moved_is_told_by_the_words() {
        let ecr = "The image tag 'a' already exists and cannot be overwritten because the repository is immutable.";
        for (status, body) in [
            (400, error("TAG_INVALID", ecr)),
            (400, error("ImageTagAlreadyExistsException", "exists")),
            (412, error("PRECONDITION", "'a:b' configured as immutable.")),
            (409, error("TAG_IMMUTABLE", "")),
            (403, error("DENIED", "tag immutability is on")),
            (409, error("CONFLICT", "tag 1 cannot be overwritten")),
            (
                400,
                error("X", "Repository does not allow updating assets: docker"),
            ),
        ] {
            for write in [WriteKind::Nothing, WriteKind::Content] {
                let class = judge(status_code(status), write, None, &body).class;
                assert_eq!(class, FailureClass::ImmutableTag, "{body}");
            }
        }
        let invalid = told(400, &error("TAG_INVALID", "not a tag"));
        assert_eq!(invalid.class, FailureClass::Invalid);
        assert_eq!(told(503, "immutable").class, FailureClass::Unavailable);
    }

    #[test]
    fn what_another_attempt_may_mend_is_tried_again() {
        let class = |status, code| told(status, &error(code, "x")).class;
        assert_eq!(class(404, "BLOB_UPLOAD_UNKNOWN"), FailureClass::Unavailable);
        assert_eq!(class(400, "MANIFEST_BLOB_UNKNOWN"), FailureClass::NotFound);
        assert_eq!(class(400, "DIGEST_INVALID"), FailureClass::DigestMismatch);
        assert_eq!(class(404, "BLOB_UNKNOWN"), FailureClass::NotFound);
        assert_eq!(class(400, "MANIFEST_INVALID"), FailureClass::Invalid);
    }

    #[test]
    fn what_contradicts_what_was_sent_a_moment_ago_may_pass() {
        let class = |write, status, body: &str| judge(status_code(status), write, None, body).class;
        let unknown = |code: &str| error(code, "unknown to registry");
        for (status, body) in [
            (400, unknown("MANIFEST_BLOB_UNKNOWN")),
            (404, unknown("MANIFEST_BLOB_UNKNOWN")),
            (404, unknown("BLOB_UNKNOWN")),
            (404, unknown("MANIFEST_UNKNOWN")),
            (404, String::new()),
            (404, error("NO_SUCH_THING", "")),
            (404, unknown("NAME_UNKNOWN")),
            (409, String::new()),
            (412, String::new()),
            (423, error("LOCKED", "")),
        ] {
            let class = class(WriteKind::Content, status, &body);
            assert_eq!(class, FailureClass::Inconsistent, "{status} {body}");
        }
        for (status, code, expected) in [
            (404, "MANIFEST_INVALID", FailureClass::NotFound),
            (409, "DENIED", FailureClass::Invalid),
            (409, "UNSUPPORTED", FailureClass::Invalid),
            (400, "MANIFEST_INVALID", FailureClass::Invalid),
            (400, "SOMETHING", FailureClass::Invalid),
        ] {
            assert_eq!(
                class(WriteKind::Content, status, &error(code, "")),
                expected
            );
        }
        for (status, expected) in [
            (404, FailureClass::NotFound),
            (409, FailureClass::Inconsistent),
            (412, FailureClass::Invalid),
            (423, FailureClass::Inconsistent),
        ] {
            assert_eq!(class(WriteKind::Upload, status, ""), expected, "{status}");
        }
    }

    #[test]
    fn the_answer_is_given_in_the_registrys_own_words() {
        assert_eq!(
            told(404, &error("MANIFEST_UNKNOWN", "manifest unknown")).answer,
            "404 Not Found: MANIFEST_UNKNOWN: manifest unknown"
        );
        assert_eq!(
            told(401, r#"{"details":"incorrect username or password"}"#).answer,
            "401 Unauthorized: incorrect username or password"
        );
        assert_eq!(
            told(
                400,
                r#"{"error":"invalid_grant","error_description":"the token has ended"}"#
            )
            .answer,
            "400 Bad Request: the token has ended"
        );
        assert_eq!(
            told(404, r#"{"errors":[{"message":"no such"}]}"#).answer,
            "404 Not Found: no such"
        );
        assert_eq!(
            told(502, "\n upstream died \nmore").answer,
            "502 Bad Gateway: upstream died"
        );
        assert_eq!(told(502, "<html>...").answer, "502 Bad Gateway");
        assert_eq!(told(502, "{broken").answer, "502 Bad Gateway");
        assert_eq!(told(599, "").answer, "599");
    }

    #[test]
    fn a_date_in_retry_after_is_by_the_clock_of_the_answer() {
        let now = datetime!(2026-01-02 03:14:05 UTC);
        let wait = |date: &str| {
            let date_header = (DATE, date.parse().unwrap());
            let until = "Fri, 02 Jan 2026 03:04:35 GMT".parse().unwrap();
            retry_after(
                &HeaderMap::from_iter([date_header, (RETRY_AFTER, until)]),
                now,
            )
        };
        let half_a_minute = Some(Duration::from_secs(30));
        assert_eq!(wait("Fri, 02 Jan 2026 03:04:05 GMT"), half_a_minute);
        assert_eq!(wait("today"), Some(Duration::ZERO), "by the clock here");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = datetime!(2026-01-02 03:04:05 UTC);
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            retry_after(&headers, now)
        };
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of("0"), Some(Duration::ZERO));
        assert_eq!(
            of("Fri, 02 Jan 2026 04:04:05 GMT"),
            Some(Duration::from_secs(3600))
        );
        assert_eq!(of("Fri, 02 Jan 2026 03:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(of("soon"), None);
        assert_eq!(of("-5"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
        let class = |status, wait| judge(status, WriteKind::Nothing, of(wait), "").class;
        let overloaded = class(StatusCode::SERVICE_UNAVAILABLE, "20");
        let retry_after_ms = 20_000;
        assert_eq!(overloaded, FailureClass::Overloaded { retry_after_ms });
        let other = class(StatusCode::BAD_GATEWAY, "20");
        assert_eq!(other, FailureClass::Unavailable);
        let class = judge(
            StatusCode::TOO_MANY_REQUESTS,
            WriteKind::Nothing,
            of("86400"),
            "",
        )
        .class;
        assert_eq!(
            class,
            FailureClass::RateLimited {
                retry_after_ms: Some(86_400_000)
            }
        );
    }
}
