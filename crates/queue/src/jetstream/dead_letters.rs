//! Dead letters in a stream that keeps one per id.

use async_nats::HeaderMap;
use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::dead_letters::{DeadLetter, DeadLetters};

use super::connection::{Connection, Tries};
use super::stored::{delete_message, last_message, next_message};

/// Keeps the letters of one installation.
#[derive(Clone)]
pub(super) struct JetStreamDeadLetters {
    connection: Connection,
}

impl JetStreamDeadLetters {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }
}

#[async_trait]
impl DeadLetters for JetStreamDeadLetters {
    async fn put(&self, letter: DeadLetter) -> Result<(), QueueError> {
        let payload = serde_json::to_vec(&letter).map_err(|error| {
            QueueError::Refused(format!(
                "dead letter {} cannot be written: {error}",
                letter.id
            ))
        })?;
        let subject = self.connection.names().letter(&letter.id);
        let no_headers = HeaderMap::new();
        let stored = self
            .connection
            .store(&subject, &no_headers, payload.into(), Tries::WhileAway);
        stored.await.map(drop)
    }

    async fn list(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let (names, mut letters, mut from) = (self.connection.names(), Vec::new(), 1);
        let (stream, filter) = (names.dead_letters(), names.all_letters());
        while let Some(message) = next_message(&self.connection, &stream, &filter, from).await? {
            from = message.sequence + 1;
            match parse(&message.payload) {
                Ok(letter) => letters.push(letter),
                Err(error) => {
                    tracing::warn!(%error, sequence = message.sequence, "left out a dead letter");
                }
            }
        }
        Ok(letters)
    }

    async fn take(&self, id: &str) -> Result<Option<DeadLetter>, QueueError> {
        let names = self.connection.names();
        let (stream, subject) = (names.dead_letters(), names.letter(id));
        let Some(message) = last_message(&self.connection, &stream, &subject).await? else {
            return Ok(None);
        };
        let letter = parse(&message.payload)?;
        // Of several who want it, one deletes it.
        let is_ours = delete_message(&self.connection, &stream, message.sequence).await?;
        Ok(is_ours.then_some(letter))
    }
}

fn parse(payload: &[u8]) -> Result<DeadLetter, QueueError> {
    serde_json::from_slice(payload)
        .map_err(|error| QueueError::Refused(format!("a dead letter cannot be read: {error}")))
}
