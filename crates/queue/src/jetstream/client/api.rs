//! The API of JetStream (NATS ADR-1): requests and answers in JSON, and messages that a stream acknowledges.

use async_nats::HeaderMap;
use bytes::Bytes;
use image_sync_shared::ports::QueueError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::connection::{Connection, Tries};

/// No message, stream or consumer of that name.
const NOT_FOUND: u16 = 404;
/// Not now.
const NOT_READY: u16 = 503;
/// The last message of the subject is not the one that was expected.
const WRONG_LAST_SEQUENCE: u32 = 10_071;
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
struct Common {
    error: Option<ApiError>,
    /// The time by the server's clock, which descriptions have from nats-server 2.10 on.
    #[serde(default)]
    ts: Value,
}

/// What a stream says of a message that it stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Acknowledged {
    /// Its place in the stream.
    pub(crate) seq: u64,
    /// Whether it was stored before.
    #[serde(default)]
    pub(crate) duplicate: bool,
}

impl Connection {
    /// Asks the API, where a refusal is an answer too.
    pub(crate) async fn api<T: DeserializeOwned>(
        &self,
        subject: &str,
        body: &(impl Serialize + Sync),
        tries: Tries,
    ) -> Result<Result<T, ApiError>, QueueError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| QueueError::Refused(format!("{subject}: {error}")))?;
        let (subject, asked) = (format!("$JS.API.{subject}"), Instant::now());
        let answer = self
            .ask(&subject, &HeaderMap::new(), body.into(), tries)
            .await?;
        let Answer { said, time } = parse(&subject, &answer.payload)?;
        if let Some(time) = time {
            self.server_time().told(time, asked);
        }
        Ok(said)
    }

    /// Publishes to a stream, and returns when it has stored the message.
    pub(crate) async fn store(
        &self,
        subject: &str,
        headers: &HeaderMap,
        payload: Bytes,
        tries: Tries,
    ) -> Result<Acknowledged, QueueError> {
        let answer = self.ask(subject, headers, payload, tries).await?;
        let said = parse(subject, &answer.payload)?.said;
        said.map_err(|error| refused_message(subject, &error))
    }

    /// Publishes to a stream if `revision` is the last message of the subject, 0 for none. None if it is not.
    pub(crate) async fn store_after(
        &self,
        subject: &str,
        revision: u64,
        payload: Bytes,
        marker: Option<(&'static str, &'static str)>,
    ) -> Result<Option<u64>, QueueError> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", revision.to_string());
        if let Some((name, value)) = marker {
            headers.insert(name, value);
        }
        let answer = self.ask(subject, &headers, payload, Tries::One).await?;
        match parse::<Acknowledged>(subject, &answer.payload)?.said {
            Ok(acknowledged) => Ok(Some(acknowledged.seq)),
            Err(error) if error.err_code == WRONG_LAST_SEQUENCE => Ok(None),
            Err(error) => Err(refused_message(subject, &error)),
        }
    }
}

/// Whether an answer says that JetStream is there, but not ready, as after a restart.
pub(super) fn says_not_ready(payload: &[u8]) -> bool {
    let error = |answer: Common| answer.error;
    payload.len() <= LONGEST_ERROR
        && serde_json::from_slice(payload)
            .ok()
            .and_then(error)
            .is_some_and(|error| error.is_not_ready())
}

/// What an answer says, and when by the server's clock, if it says that.
#[derive(Debug, PartialEq, Eq)]
struct Answer<T> {
    said: Result<T, ApiError>,
    time: Option<OffsetDateTime>,
}

fn parse<T: DeserializeOwned>(subject: &str, payload: &[u8]) -> Result<Answer<T>, QueueError> {
    let unusable = |error: serde_json::Error| {
        QueueError::Refused(format!("the answer of {subject} cannot be read: {error}"))
    };
    let Common { error, ts } = serde_json::from_slice(payload).map_err(unusable)?;
    let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    Ok(Answer {
        time: ts.as_str().and_then(time),
        said: match error {
            Some(error) => Err(error),
            None => Ok(serde_json::from_slice(payload).map_err(unusable)?),
        },
    })
}

fn refused_message(subject: &str, error: &ApiError) -> QueueError {
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
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_refusal_is_told_from_an_answer() {
        let acknowledged =
            parse::<Acknowledged>("s", br#"{"stream":"S","seq":7,"duplicate":true}"#);
        let expected = Acknowledged {
            seq: 7,
            duplicate: true,
        };
        assert_eq!(acknowledged.unwrap().said, Ok(expected));
        let text = br#"{"type":"t","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        let error = parse::<Acknowledged>("s", text).unwrap().said.unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(
            error.refusing("stream X"),
            QueueError::Refused("stream X: stream not found (error 10059)".to_owned())
        );
        assert!(parse::<Acknowledged>("s", b"+OK").is_err());
    }

    #[test]
    fn the_time_of_an_answer_is_taken_and_one_that_is_none_is_left_aside() {
        let time = |ts: &str| {
            let text = format!(r#"{{"seq":7,"ts":{ts}}}"#);
            parse::<Acknowledged>("s", text.as_bytes()).unwrap().time
        };
        let noon = datetime!(2026-11-20 12:00:00.123456789 UTC);
        assert_eq!(time(r#""2026-11-20T12:00:00.123456789Z""#), Some(noon));
        for other in ["7", "null", r#""noon""#, "{}"] {
            assert_eq!(time(other), None, "{other}");
        }
    }

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
