//! Refusals of the API of JetStream: which may pass, and what they are called.

use image_sync_shared::ports::QueueError;
use serde::Deserialize;
use serde_json::Value;

use super::health::Cause;

/// No message, stream or consumer of that name.
const NOT_FOUND: u16 = 404;
/// Not now.
const NOT_READY: u16 = 503;
/// The last message of the subject is not the one that was expected.
pub(super) const WRONG_LAST_SEQUENCE: u32 = 10_071;
/// The stream does not take the message: it is full, or cannot be written.
const STORE_FAILED: u32 = 10_077;
/// The server has no storage left.
const INSUFFICIENT_RESOURCES: u32 = 10_023;
/// The account, or the server, has no storage left.
const STORAGE_RESOURCES_EXCEEDED: u32 = 10_047;
/// How the text begins in which a stream says that a limit of its own is reached; else its server could not write.
const LIMIT: &str = "maximum ";
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
        // A stream that is full, or that cannot be written, has the same code.
        self.code == NOT_READY && self.err_code != STORE_FAILED
    }

    /// Whether the server or the account has no storage left, or cannot write to it, whatever a stream may hold.
    pub(crate) fn lacks_storage(&self) -> bool {
        match self.err_code {
            INSUFFICIENT_RESOURCES | STORAGE_RESOURCES_EXCEEDED => true,
            STORE_FAILED => !self.description.starts_with(LIMIT),
            _ => false,
        }
    }

    /// Whether the same request may have another answer soon.
    pub(super) fn is_passing(&self) -> bool {
        self.is_not_ready() || self.lacks_storage()
    }

    /// Why what was asked is not done, if it is not for what was asked.
    pub(super) fn cause(&self) -> Option<Cause> {
        if self.lacks_storage() {
            return Some(Cause::NoStorage(self.description.clone()));
        }
        let is_of_the_server = self.is_not_ready() || self.err_code == STORE_FAILED;
        is_of_the_server.then(|| Cause::Refusal(self.description.clone()))
    }

    /// Whether no servers of the cluster can keep what is asked for: as such, or as they do not know each other yet.
    pub(crate) fn lacks_peers(&self) -> bool {
        self.err_code == NO_SUITABLE_PEERS
    }

    /// The refusal of `what`.
    pub(crate) fn refusing(&self, what: &str) -> QueueError {
        let text = format!("{what}: {} (error {})", self.description, self.err_code);
        if self.is_passing() {
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

/// The refusal that an answer is, if it is one.
pub(super) fn refusal_in(payload: &[u8]) -> Option<ApiError> {
    if payload.len() > LONGEST_ERROR {
        return None;
    }
    serde_json::from_slice::<AnswerHead>(payload).ok()?.error
}

/// Why a stream did not take a message on `subject`.
pub(super) fn refused_message(subject: &str, error: &ApiError) -> QueueError {
    if error.err_code == STORE_FAILED && !error.lacks_storage() {
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

    fn refused(err_code: u32, description: &str) -> ApiError {
        let answer = format!(
            r#"{{"error":{{"code":503,"err_code":{err_code},"description":"{description}"}},"stream":"S","seq":0}}"#
        );
        refusal_in(answer.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_not_ready_is_told_from_what_is_full() {
        assert!(refused(10_008, "no").is_passing());
        assert!(!refused(STORE_FAILED, "maximum bytes exceeded").is_passing());
        assert_eq!(refusal_in(br#"{"stream":"S","seq":503}"#), None);
        assert_eq!(refusal_in(b""), None);
    }

    #[test]
    fn a_server_without_storage_is_told_from_a_full_stream() {
        for (err_code, said) in [
            (10_023, "insufficient resources"),
            (10_047, "insufficient storage resources available"),
            (STORE_FAILED, "write 1.blk: no space left on device"),
            (STORE_FAILED, "write 1.blk: file too large"),
        ] {
            let error = refused(err_code, said);
            assert!(error.is_passing());
            assert_eq!(error.cause(), Some(Cause::NoStorage(said.to_owned())));
            let told = refused_message("s", &error);
            assert!(matches!(told, QueueError::Unreachable(_)), "{told:?}");
        }
        let full = refused(STORE_FAILED, "maximum bytes exceeded").cause();
        assert_eq!(
            full,
            Some(Cause::Refusal("maximum bytes exceeded".to_owned()))
        );
        let other = ApiError {
            code: 400,
            err_code: WRONG_LAST_SEQUENCE,
            description: "wrong last sequence: 1".to_owned(),
        };
        assert_eq!(other.cause(), None);
    }
}
