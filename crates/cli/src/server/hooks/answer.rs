//! What is answered: a status and a little JSON.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use image_sync_shared::text::bounded;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How long a sender is to wait that may send again what could not be stored.
const LATER: Duration = Duration::from_secs(5);
/// How many images one request of a script may name.
const MOST_IMAGES: usize = 10_000;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    body: String,
    /// Why it is no better one.
    why: String,
    retry_after: Option<Duration>,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        Self {
            status,
            body: serde_json::to_string(body).unwrap_or_default(),
            why: String::new(),
            retry_after: None,
        }
    }

    fn error(status: StatusCode, why: &str) -> Self {
        let why = bounded(why);
        Self {
            why: why.clone(),
            ..Self::json(status, &json!({ "error": why }))
        }
    }

    /// For whatever is wrong with a proof.
    pub(super) fn refused() -> Self {
        Self::error(StatusCode::UNAUTHORIZED, "unauthorized")
    }

    /// For a sender that is not named in the config.
    pub(super) fn unknown() -> Self {
        let why = "no such sender, or it is not in the config (webhooks)";
        Self::error(StatusCode::NOT_FOUND, why)
    }

    pub(super) fn unreadable(why: &str) -> Self {
        Self::error(StatusCode::BAD_REQUEST, why)
    }

    pub(super) fn too_large() -> Self {
        let why = "the body is longer than 1 MiB, or was cut short";
        Self::error(StatusCode::PAYLOAD_TOO_LARGE, why)
    }

    pub(super) fn slow() -> Self {
        Self::error(StatusCode::REQUEST_TIMEOUT, "the body came too slowly")
    }

    pub(super) fn too_many(wait: Duration) -> Self {
        let answer = Self::error(StatusCode::TOO_MANY_REQUESTS, "too many requests");
        Self {
            retry_after: Some(wait),
            ..answer
        }
    }

    /// Not stored: to be sent again.
    pub(super) fn later(why: &str) -> Self {
        Self {
            retry_after: Some(LATER),
            ..Self::error(StatusCode::SERVICE_UNAVAILABLE, why)
        }
    }

    /// The same, for who takes nothing else for an answer.
    pub(super) fn taken_for_done(self) -> Self {
        Self {
            status: StatusCode::ACCEPTED,
            ..self
        }
    }

    /// Before all is wired.
    pub(super) fn starting() -> Self {
        Self::later("starting")
    }

    /// Why it is no better one; nothing where all is well.
    pub(super) fn why(&self) -> &str {
        &self.why
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        let mut response = (answer.status, answer.body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wait) = answer.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if answer.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1: a 401 says how to prove oneself.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The images that a script names: `{"image": "..."}` or `{"images": ["...", ...]}`.
pub(super) fn images_of(body: &[u8]) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        image: Option<String>,
        #[serde(default)]
        images: Vec<String>,
    }
    const EXPECTED: &str = r#"expected {"image": "nginx:1.27"} or {"images": ["nginx:1.27"]}"#;
    let named: Named =
        serde_json::from_slice(body).map_err(|error| format!("{error}; {EXPECTED}"))?;
    let images: Vec<String> = named.image.into_iter().chain(named.images).collect();
    if images.is_empty() {
        return Err(format!("found no image, {EXPECTED}"));
    }
    if images.len() > MOST_IMAGES {
        let found = images.len();
        return Err(format!(
            "found {found} images, expected {MOST_IMAGES} at most"
        ));
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_one_image_or_several() {
        let images = |text: &str| images_of(text.as_bytes());
        assert_eq!(images(r#"{"image": "a:1"}"#).unwrap(), ["a:1"]);
        assert_eq!(images(r#"{"images": ["a:1", "b"]}"#).unwrap(), ["a:1", "b"]);
        for (text, expected) in [
            ("", r#"expected {"image""#),
            ("{}", "found no image"),
            ("[]", r#"expected {"image""#),
            (r#"{"image": 7}"#, "invalid type"),
            (r#"{"imgae": "a"}"#, "unknown field"),
        ] {
            let error = images(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let many = serde_json::to_vec(&json!({ "images": vec!["a"; 10_001] })).unwrap();
        assert!(images_of(&many).unwrap_err().contains("10000 at most"));
    }

    #[test]
    fn an_answer_says_when_to_come_again_and_how_to_prove_oneself() {
        let header = |answer: Answer, name| {
            let response = Response::from(answer);
            response.headers().get(name).cloned()
        };
        let later = header(Answer::later("x"), RETRY_AFTER);
        assert_eq!(later.unwrap(), "5");
        assert_eq!(
            header(Answer::refused(), WWW_AUTHENTICATE).unwrap(),
            "Bearer"
        );
        assert_eq!(header(Answer::refused(), RETRY_AFTER), None);
    }
}
