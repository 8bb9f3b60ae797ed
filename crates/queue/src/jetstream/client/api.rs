//! The API of JetStream (NATS ADR-1): requests and answers in JSON, and messages that a stream acknowledges.

use async_nats::HeaderMap;
use bytes::Bytes;
use image_sync_shared::ports::QueueError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::api_error::{AnswerHead, ApiError, WRONG_LAST_SEQUENCE, refused_message};
use super::connection::{Connection, Retries};

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
        retries: Retries,
    ) -> Result<Result<T, ApiError>, QueueError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| QueueError::Refused(format!("{subject}: {error}")))?;
        let (subject, asked) = (format!("$JS.API.{subject}"), Instant::now());
        let answer = self
            .request(&subject, &HeaderMap::new(), body.into(), retries)
            .await?;
        let Answer { said, time } = parse(&subject, &answer.payload)?;
        if let Some(time) = time {
            self.server_time().told(time, asked);
        }
        Ok(said)
    }

    /// Publishes to a stream, and returns when it has stored the message.
    pub(crate) async fn publish(
        &self,
        subject: &str,
        headers: &HeaderMap,
        payload: Bytes,
        retries: Retries,
    ) -> Result<Acknowledged, QueueError> {
        let answer = self.request(subject, headers, payload, retries).await?;
        let said = parse(subject, &answer.payload)?.said;
        said.map_err(|error| refused_message(subject, &error))
    }

    /// Publishes to a stream if `revision` is the last message of the subject, 0 for none. None if it is not.
    pub(crate) async fn publish_after(
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
        let answer = self
            // Once: whether a first try was stored decides how a second one is answered. Who has to know reads what is
            // there.
            .request(subject, &headers, payload, Retries::None)
            .await?;
        match parse::<Acknowledged>(subject, &answer.payload)?.said {
            Ok(acknowledged) => Ok(Some(acknowledged.seq)),
            Err(error) if error.err_code == WRONG_LAST_SEQUENCE => Ok(None),
            Err(error) => Err(refused_message(subject, &error)),
        }
    }
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
    let AnswerHead { error, ts } = serde_json::from_slice(payload).map_err(unusable)?;
    let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    Ok(Answer {
        time: ts.as_str().and_then(time),
        said: match error {
            Some(error) => Err(error),
            None => Ok(serde_json::from_slice(payload).map_err(unusable)?),
        },
    })
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
}
