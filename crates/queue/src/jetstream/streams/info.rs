//! What a server says of streams and consumers (`STREAM.INFO` and `CONSUMER.INFO`).

use std::collections::HashMap;

use image_sync_shared::ports::QueueError;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::jetstream::client::{Connection, Retries};

/// A stream as the server describes it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StreamInfo<C = StreamLimits> {
    pub(crate) config: C,
    pub(crate) state: StreamState,
}

/// How much a stream may hold, and for how long.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct StreamLimits {
    /// In bytes; 0 and less are no limit.
    #[serde(default)]
    pub(crate) max_bytes: i64,
    /// In nanoseconds; 0 is no limit.
    #[serde(default)]
    pub(crate) max_age: u64,
}

impl StreamLimits {
    /// How many bytes it may hold, if there is a limit.
    pub(crate) fn max_bytes(self) -> Option<u64> {
        u64::try_from(self.max_bytes).ok().filter(|max| *max > 0)
    }
}

/// What a stream holds.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StreamState {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// When its first message was stored.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) first_ts: OffsetDateTime,
    /// When its last one was.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) last_ts: OffsetDateTime,
    pub(crate) last_seq: u64,
    /// How many messages each subject has that was asked for.
    #[serde(default)]
    pub(crate) subjects: Option<HashMap<String, u64>>,
}

/// A stream or consumer as the server describes it, its config alone.
#[derive(Deserialize)]
pub(crate) struct Described {
    pub(crate) config: Value,
}

/// What the server says of a stream that should be there.
pub(crate) async fn stream_info(
    connection: &Connection,
    stream: &str,
    retries: Retries,
) -> Result<StreamInfo, QueueError> {
    info(connection, stream, &json!({}), retries).await
}

/// The same, with the subjects that match `filter`.
pub(crate) async fn stream_info_with_subjects(
    connection: &Connection,
    stream: &str,
    filter: &str,
) -> Result<StreamInfo, QueueError> {
    let body = json!({ "subjects_filter": filter });
    info(connection, stream, &body, Retries::WhileAway).await
}

async fn info(
    connection: &Connection,
    stream: &str,
    body: &Value,
    retries: Retries,
) -> Result<StreamInfo, QueueError> {
    let subject = format!("STREAM.INFO.{stream}");
    let info = connection.api(&subject, body, retries).await?;
    info.map_err(|error| error.refusing(&stream_object(stream)))
}

/// The config of a stream, if it is there.
pub(crate) async fn stream_config(
    connection: &Connection,
    stream: &str,
) -> Result<Option<Value>, QueueError> {
    let subject = format!("STREAM.INFO.{stream}");
    let found = describe::<Described>(connection, &subject, &stream_object(stream)).await?;
    Ok(found.map(|found| found.config))
}

/// The config of a consumer, if it is there.
pub(crate) async fn consumer_config(
    connection: &Connection,
    stream: &str,
    name: &str,
) -> Result<Option<Value>, QueueError> {
    let subject = format!("CONSUMER.INFO.{stream}.{name}");
    let object = consumer_object(name, stream);
    let found = describe::<Described>(connection, &subject, &object).await?;
    Ok(found.map(|found| found.config))
}

/// What is there, if it is.
pub(crate) async fn describe<T: DeserializeOwned>(
    connection: &Connection,
    subject: &str,
    object: &str,
) -> Result<Option<T>, QueueError> {
    match connection.api(subject, &json!({}), Retries::None).await? {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.refusing(object)),
    }
}

/// A stream in words.
pub(crate) fn stream_object(stream: &str) -> String {
    format!("stream {stream}")
}

/// A consumer in words.
pub(crate) fn consumer_object(name: &str, stream: &str) -> String {
    format!("consumer {name} of stream {stream}")
}
