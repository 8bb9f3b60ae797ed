//! A bucket of keys and values (NATS ADR-8), as far as it is needed: each key has one value, replaced only by who knows it.

use bytes::Bytes;
use image_sync_shared::ports::QueueError;
use image_sync_shared::text::{bounded, excerpt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use crate::jetstream::client::{Connection, PAUSE, Retries};
use crate::jetstream::names::{bucket_stream, key_subject};
use crate::jetstream::streams::{last_message, last_message_within};

/// What says that a key was deleted.
const DELETED: (&str, &str) = ("KV-Operation", "DEL");

/// A bucket.
#[derive(Clone)]
pub(crate) struct Bucket {
    connection: Connection,
    name: String,
    stream: String,
}

/// What a key has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<T> {
    /// Which state of the key this is; 0 if it never had any.
    pub(crate) revision: u64,
    /// Its value, unless there is none or it was deleted.
    pub(crate) value: Option<T>,
    /// When it got it, by the server's clock.
    pub(crate) stored_at: Option<OffsetDateTime>,
}

impl Bucket {
    pub(crate) fn new(connection: Connection, name: String) -> Self {
        Self {
            stream: bucket_stream(&name),
            connection,
            name,
        }
    }

    /// What `key` has now. A value that cannot be read is none: nobody must be kept from putting a good one there.
    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Entry<T>, QueueError> {
        let subject = key_subject(&self.name, key);
        let message = last_message(&self.connection, &self.stream, &subject).await?;
        let message = message.unwrap_or_default();
        // A deletion is a message without a payload, and no value is written as nothing.
        let value = match &message.payload[..] {
            [] => None,
            payload => serde_json::from_slice(payload)
                .inspect_err(|error| {
                    let (error, key, bucket) = (bounded(error), excerpt(key), &self.name);
                    tracing::warn!(
                        error,
                        key,
                        bucket,
                        "took a value that cannot be read for none"
                    );
                })
                .ok(),
        };
        Ok(Entry {
            revision: message.sequence,
            value,
            stored_at: message.stored_at,
        })
    }

    /// Replaces what `key` has, if that still is `revision`. The new revision, or none if it is not. Asked again while the
    /// server is away: so `value` is to be one that nobody else writes there.
    pub(crate) async fn replace(
        &self,
        key: &str,
        revision: u64,
        value: &(impl Serialize + Sync),
    ) -> Result<Option<u64>, QueueError> {
        let payload = Bytes::from(self.encode(key, value)?);
        let subject = key_subject(&self.name, key);
        let (end, mut is_first) = (Instant::now() + self.connection.outage(), true);
        loop {
            let asked = self
                .connection
                .publish_after(&subject, revision, payload.clone(), None);
            match asked.await {
                Err(QueueError::Unreachable(_)) if Instant::now() < end => sleep(PAUSE).await,
                // After a try without an answer, that one may be why the revision is another.
                Ok(None) if !is_first => {}
                answer => return answer,
            }
            is_first = false;
            // What was not answered may have been done, and what stands there says so.
            let retries = Retries::Until(end);
            let last =
                last_message_within(&self.connection, &self.stream, &subject, retries).await?;
            let last = last.unwrap_or_default();
            if last.payload == payload {
                return Ok(Some(last.sequence));
            }
            if last.sequence != revision {
                return Ok(None);
            }
        }
    }

    /// Gives `key` a value, if it has none. The revision, or none if it has one. Asked again like [`replace`](Self::replace).
    pub(super) async fn create(
        &self,
        key: &str,
        value: &(impl Serialize + Sync),
    ) -> Result<Option<u64>, QueueError> {
        if let Some(revision) = self.replace(key, 0, value).await? {
            return Ok(Some(revision));
        }
        // What stands there may be that it was deleted.
        match self.get::<serde::de::IgnoredAny>(key).await? {
            Entry { value: Some(_), .. } => Ok(None),
            Entry { revision, .. } => self.replace(key, revision, value).await,
        }
    }

    /// Gives `key` a value, whatever it has.
    pub(crate) async fn put(
        &self,
        key: &str,
        value: &(impl Serialize + Sync),
    ) -> Result<(), QueueError> {
        let payload = self.encode(key, value)?;
        let (subject, no_headers) = (key_subject(&self.name, key), async_nats::HeaderMap::new());
        let stored =
            self.connection
                .publish(&subject, &no_headers, payload.into(), Retries::WhileAway);
        stored.await.map(drop)
    }

    /// Deletes `key`, if it still has `revision`, and says whether that was so.
    pub(super) async fn delete(&self, key: &str, revision: u64) -> Result<bool, QueueError> {
        let subject = key_subject(&self.name, key);
        let deleted = self
            .connection
            .publish_after(&subject, revision, Bytes::new(), Some(DELETED))
            .await?;
        Ok(deleted.is_some())
    }

    fn encode(&self, key: &str, value: &impl Serialize) -> Result<Vec<u8>, QueueError> {
        serde_json::to_vec(value).map_err(|error| {
            let bucket = &self.name;
            QueueError::Refused(format!(
                "key {key} of bucket {bucket} cannot be written: {error}"
            ))
        })
    }
}
