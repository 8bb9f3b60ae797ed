//! Single messages of a stream: read from its leader, so that what is read is the last word.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image_sync_shared::ports::QueueError;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::jetstream::client::ApiError;
use crate::jetstream::client::{Connection, Retries};

/// There is no such message.
const NO_MESSAGE_FOUND: u32 = 10_037;
/// There is no message of this number.
const SEQUENCE_NOT_FOUND: u32 = 10_043;
/// A message was not deleted; the text says why.
const DELETE_FAILED: u32 = 10_057;

/// A message in a stream; by default none, as none has the place 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredMessage {
    /// What it was published to; bytes that are no UTF-8 are replaced.
    pub(crate) subject: String,
    /// Its place.
    pub(crate) sequence: u64,
    /// The bytes of its headers, none if it has none.
    pub(crate) headers: Vec<u8>,
    /// What it holds.
    pub(crate) payload: Vec<u8>,
    /// When it was stored, by the server's clock.
    pub(crate) stored_at: Option<OffsetDateTime>,
}

#[derive(Deserialize)]
struct MessageGet {
    message: RawMessage,
}

#[derive(Deserialize)]
struct RawMessage {
    #[serde(default)]
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
    #[serde(default, with = "time::serde::rfc3339::option")]
    time: Option<OffsetDateTime>,
}

#[derive(Deserialize)]
struct Deleted {
    success: bool,
}

/// The last message of a subject.
pub(crate) async fn last_message(
    connection: &Connection,
    stream: &str,
    subject: &str,
) -> Result<Option<StoredMessage>, QueueError> {
    last_message_within(connection, stream, subject, Retries::WhileAway).await
}

/// The same, asked so often.
pub(crate) async fn last_message_within(
    connection: &Connection,
    stream: &str,
    subject: &str,
    retries: Retries,
) -> Result<Option<StoredMessage>, QueueError> {
    let which = json!({ "last_by_subj": subject });
    get(connection, stream, &which, retries).await
}

/// The first message whose subject is `filter` or one of those that it stands for, from place `from` on.
pub(crate) async fn next_message(
    connection: &Connection,
    stream: &str,
    filter: &str,
    from: u64,
    retries: Retries,
) -> Result<Option<StoredMessage>, QueueError> {
    let which = json!({ "seq": from, "next_by_subj": filter });
    get(connection, stream, &which, retries).await
}

async fn get(
    connection: &Connection,
    stream: &str,
    which: &Value,
    retries: Retries,
) -> Result<Option<StoredMessage>, QueueError> {
    let subject = format!("STREAM.MSG.GET.{stream}");
    let found = connection.api::<MessageGet>(&subject, which, retries);
    let found = match found.await? {
        Ok(found) => found.message,
        Err(error) if error.err_code == NO_MESSAGE_FOUND => return Ok(None),
        Err(error) => return Err(error.refusing(&format!("a message of stream {stream}"))),
    };
    let decoded = |text: &str| {
        STANDARD.decode(text).map_err(|error| {
            QueueError::Refused(format!(
                "message {} of stream {stream} cannot be read: {error}",
                found.seq
            ))
        })
    };
    Ok(Some(StoredMessage {
        payload: decoded(&found.data)?,
        headers: decoded(&found.hdrs)?,
        subject: found.subject,
        sequence: found.seq,
        stored_at: found.time,
    }))
}

/// Deletes a message, and says whether it was there.
pub(crate) async fn delete_message(
    connection: &Connection,
    stream: &str,
    sequence: u64,
) -> Result<bool, QueueError> {
    let subject = format!("STREAM.MSG.DELETE.{stream}");
    // Overwriting the bytes as well would take longer and hide nothing.
    let body = json!({ "seq": sequence, "no_erase": true });
    match connection
        .api::<Deleted>(&subject, &body, Retries::None)
        .await?
    {
        Ok(deleted) => Ok(deleted.success),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error.refusing(&format!("message {sequence} of stream {stream}"))),
    }
}

fn is_gone(error: &ApiError) -> bool {
    let says_gone = ["no message found", "deleted message"]
        .iter()
        .any(|text| error.description.contains(text));
    error.err_code == SEQUENCE_NOT_FOUND || (error.err_code == DELETE_FAILED && says_gone)
}
