//! Refusals of the API of JetStream: which may pass, and what they are called.

use image_sync_shared::ports::QueueError;
use serde::Deserialize;
use serde_json::Value;

/// No message, stream or consumer of that name.
const NOT_FOUND: u16 = 404;
/// Not now.
const NOT_READY: u16 = 503;
/// The last message of the subject is not the one that was expected.
pub(super) const WRONG_LAST_SEQUENCE: u32 = 10_071;
/// The stream does not take the message: it is full.
const STORE_FAILED: u32 = 10_077;
/// There are not as many servers that have room as there are to be replicas.
const NO_SUITABLE_PEERS: u32 = 10_005;

/// Answers longer than this hold something else than an error.
const LONGEST_ERROR: usize = 512;

/// The server's refusal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ApiError {
    /// As in HTTP.
    pub(crate) code: u16,
    /// Which error it is.
    #[serde(default)]
    pub(crate) err_code: u32,
    /// In words.
    #[serde(default)]
    pub(crate) description: String,
}

impl ApiError {
    pub(crate) fn is_not_found(&self) -> bool {
        self.code == NOT_FOUND
    }

    /// Whether JetStream is there, but not ready, as after a restart.
    fn is_not_ready(&self) -> bool {
        self.code == NOT_READY && self.err_code != STORE_FAILED
    }

    /// Whether no servers of the cluster can keep what is asked for: as such, or as they do not know each other yet.
    pub(crate) fn lacks_peers(&self) -> bool {
        self.err_code == NO_SUITABLE_PEERS
    }

    /// The refusal of `what`.
    pub(crate) fn refusing(&self, what: &str) -> QueueError {
        let text = format!("{what}: {} (error {})", self.description, self.err_code);
        if self.is_not_ready() {
            QueueError::Unreachable(text)
        } else {
            QueueError::Refused(text)
        }
    }
}

/// What any answer may have.
#[derive(Deserialize)]
pub(super) struct AnswerHead {
    pub(super) error: Option<ApiError>,
    /// The time by the server's clock, which descriptions have from nats-server 2.10 on.
    #[serde(default)]
    pub(super) ts: Value,
}

/// Whether an answer says that JetStream is there, but not ready, as after a restart.
pub(super) fn says_not_ready(payload: &[u8]) -> bool {
    let error = |answer: AnswerHead| answer.error;
    payload.len() <= LONGEST_ERROR
        && serde_json::from_slice(payload)
            .ok()
            .and_then(error)
            .is_some_and(|error| error.is_not_ready())
}

/// Why a stream did not take a message on `subject`.
pub(super) fn refused_message(subject: &str, error: &ApiError) -> QueueError {
    if error.err_code == STORE_FAILED {
        return QueueError::Full(format!(
            "the stream that takes {subject} is full ({}): `image-sync provision` makes it larger",
            error.description
        ));
    }
    error.refusing(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_stream_is_refused_in_clear_words() {
        let full = ApiError {
            code: 503,
            err_code: STORE_FAILED,
            description: "maximum bytes exceeded".to_owned(),
        };
        let QueueError::Full(text) = refused_message("imgsync.job.bulk.h.r", &full) else {
            panic!("a full stream has no room");
        };
        assert!(text.contains("is full (maximum bytes exceeded)"), "{text}");
    }

    #[test]
    fn what_is_not_ready_is_told_from_what_is_full() {
        let answer = |err_code: u32| {
            format!(r#"{{"error":{{"code":503,"err_code":{err_code},"description":"no"}}}}"#)
        };
        assert!(says_not_ready(answer(10_008).as_bytes()));
        assert!(!says_not_ready(answer(STORE_FAILED).as_bytes()));
        assert!(!says_not_ready(br#"{"stream":"S","seq":503}"#));
        assert!(!says_not_ready(b""));
    }
}
