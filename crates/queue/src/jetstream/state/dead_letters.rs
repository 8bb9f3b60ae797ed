//! Dead letters in a stream that keeps one per id.

use std::time::Duration;

use async_nats::HeaderMap;
use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::dead_letters::{DeadLetter, DeadLetterReader, DeadLetters};
use image_sync_shared::text::bounded;

use crate::jetstream::client::{Connection, Retries};
use crate::jetstream::streams::OrderedConsumer;
use crate::jetstream::streams::{StoredMessage, delete_message, last_message};
use crate::messages;

/// Keeps the letters of one installation.
#[derive(Clone)]
pub(crate) struct JetStreamDeadLetters {
    connection: Connection,
}

impl JetStreamDeadLetters {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    async fn find(&self, id: &str) -> Result<Option<StoredMessage>, QueueError> {
        let names = self.connection.names();
        last_message(&self.connection, &names.dead_letters(), &names.letter(id)).await
    }
}

#[async_trait]
impl DeadLetters for JetStreamDeadLetters {
    async fn put(&self, letter: DeadLetter) -> Result<(), QueueError> {
        let subject = self.connection.names().letter(&letter.id);
        let no_headers = HeaderMap::new();
        let payload =
            messages::encode_letter(&letter, self.connection.max_payload_beside(&no_headers))?;
        let stored =
            self.connection
                .publish(&subject, &no_headers, payload.into(), Retries::UntilRoom);
        stored.await.map(drop)
    }

    async fn read(&self) -> Result<Box<dyn DeadLetterReader>, QueueError> {
        let names = self.connection.names();
        let (stream, filter) = (names.dead_letters(), names.all_letters());
        // A replay must end although jobs die meanwhile, so what comes from now on is not read.
        let newest = last_message(&self.connection, &stream, &filter).await?;
        Ok(Box::new(Reader {
            last: newest.map_or(0, |message| message.sequence),
            position: 0,
            consumer: OrderedConsumer::new(self.connection.clone(), stream, filter),
        }))
    }

    async fn get(&self, id: &str) -> Result<Option<DeadLetter>, QueueError> {
        let message = self.find(id).await?;
        message.map(|message| parse(&message.payload)).transpose()
    }

    async fn take(&self, id: &str) -> Result<Option<DeadLetter>, QueueError> {
        let Some(message) = self.find(id).await? else {
            return Ok(None);
        };
        let letter = parse(&message.payload)?;
        // Of several who want it, one deletes it.
        let stream = self.connection.names().dead_letters();
        let is_ours = delete_message(&self.connection, &stream, message.sequence).await?;
        Ok(is_ours.then_some(letter))
    }
}

/// Reads the letters up to the one that was the newest as it began.
struct Reader {
    consumer: OrderedConsumer,
    position: u64,
    last: u64,
}

#[async_trait]
impl DeadLetterReader for Reader {
    async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError> {
        while self.position < self.last {
            let Some(message) = self.consumer.next(Duration::ZERO).await? else {
                break;
            };
            self.position = message.sequence;
            if self.position > self.last {
                break;
            }
            match parse(&message.payload) {
                Ok(letter) => return Ok(Some(letter)),
                Err(error) => {
                    tracing::warn!(%error, sequence = message.sequence, "left out a dead letter");
                }
            }
        }
        Ok(None)
    }
}

fn parse(payload: &[u8]) -> Result<DeadLetter, QueueError> {
    serde_json::from_slice(payload).map_err(|error| {
        QueueError::Refused(format!("a dead letter cannot be read: {}", bounded(error)))
    })
}
