//! Host pauses as keys of a bucket, followed into memory.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::{Clock, later};
use image_sync_shared::ports::queue::host_pauses::{HostPause, HostPauses};
use image_sync_shared::text;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::bucket::{Bucket, Entry};
use super::watch::KeyChange;
use crate::jetstream::client::Connection;
use crate::jetstream::names::token;
use crate::jetstream::names::{bucket_stream, key_subject};
use crate::jetstream::streams::OrderedConsumer;
use crate::known_pauses::{KnownPauses, end};

/// What a host's key has. Since when, is the message's own time: that is the server's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Paused {
    #[serde(with = "time::serde::rfc3339")]
    paused_until: OffsetDateTime,
    #[serde(with = "text::field")]
    reason: String,
}

impl Paused {
    fn of(self, host: String, since: OffsetDateTime) -> HostPause {
        HostPause {
            host,
            since,
            until: self.paused_until,
            reason: self.reason,
        }
    }
}

/// Takes over what a key of the bucket has now: a pause, or nothing where it was lifted. What cannot be read is left aside.
pub(crate) fn learn(known: &KnownPauses, change: &KeyChange<'_>, now: OffsetDateTime) {
    let Some(host) = token::decode(change.key) else {
        return;
    };
    if change.value.is_empty() {
        known.forget(&host);
    } else if let Ok(paused) = serde_json::from_slice::<Paused>(change.value) {
        known.learn(paused.of(host, change.stored_at.unwrap_or(now)), now);
    }
}

/// Knows the pauses of one installation.
pub(crate) struct JetStreamHostPauses {
    connection: Connection,
    bucket: Bucket,
    clock: Arc<dyn Clock>,
    known: Arc<KnownPauses>,
}

impl JetStreamHostPauses {
    pub(crate) fn new(
        connection: Connection,
        clock: Arc<dyn Clock>,
        known: Arc<KnownPauses>,
    ) -> Self {
        Self {
            bucket: Bucket::new(connection.clone(), connection.names().hosts()),
            connection,
            clock,
            known,
        }
    }
}

#[async_trait]
impl HostPauses for JetStreamHostPauses {
    async fn pause(
        &self,
        host: &str,
        until: OffsetDateTime,
        reason: &str,
        longest: Duration,
    ) -> Result<bool, QueueError> {
        let now = self.clock.now();
        let until = until.min(later(now, longest));
        // First of all here: it must be left alone even if nobody else can be told.
        let own = HostPause {
            host: host.to_owned(),
            since: now,
            until,
            reason: reason.to_owned(),
        };
        let is_new = self.known.prolong(own, longest);
        let key = token::encode(host);
        let pause = Paused {
            paused_until: until,
            reason: reason.to_owned(),
        };
        loop {
            let entry: Entry<Paused> = self.bucket.get(&key).await?;
            // One that nobody honours for so long is in nobody's way.
            let since = entry.stored_at.unwrap_or(now).min(now);
            let other = entry.value.map(|other| other.of(host.to_owned(), since));
            if other.is_some_and(|other| end(&other, longest) >= until) {
                return Ok(is_new);
            }
            let replaced = self.bucket.replace(&key, entry.revision, &pause).await?;
            if replaced.is_some() {
                return Ok(is_new);
            }
        }
    }

    fn paused_until(&self, host: &str, longest: Duration) -> Option<OffsetDateTime> {
        self.known.until(host, longest, self.clock.now())
    }

    async fn resume(&self, host: &str) -> Result<bool, QueueError> {
        let now = self.clock.now();
        let mut was_paused = self
            .known
            .forget(host)
            .is_some_and(|pause| pause.until > now);
        let key = token::encode(host);
        loop {
            let entry: Entry<Paused> = self.bucket.get(&key).await?;
            let Some(paused) = entry.value else {
                return Ok(was_paused);
            };
            // Also one that is over by this clock: by that of a worker it may not be.
            was_paused |= paused.paused_until > now;
            if self.bucket.delete(&key, entry.revision).await? {
                // What this process follows may be behind, and tell of the pause only now.
                if let Some(since) = entry.stored_at {
                    self.known.lift(host, since);
                }
                return Ok(was_paused);
            }
        }
    }

    async fn list(&self) -> Result<Vec<HostPause>, QueueError> {
        let hosts = self.connection.names().hosts();
        let prefix = key_subject(&hosts, "");
        let (stream, keys) = (bucket_stream(&hosts), key_subject(&hosts, ">"));
        let mut consumer = OrderedConsumer::new(self.connection.clone(), stream, keys);
        let (pauses, now) = (KnownPauses::default(), self.clock.now());
        while let Some(received) = consumer.next(Duration::ZERO).await? {
            if let Some(change) = KeyChange::of(&received, &prefix) {
                learn(&pauses, &change, now);
            }
        }
        Ok(pauses.all(now))
    }
}
