//! Host pauses as keys of a bucket, followed into memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::host_pauses::HostPauses;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::bucket::{Bucket, Entry};
use super::token;
use crate::lock::lock;

/// What a host's key has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Paused {
    #[serde(with = "time::serde::rfc3339")]
    paused_until: OffsetDateTime,
    reason: String,
}

/// The pauses that are known here.
#[derive(Default)]
pub(super) struct KnownPauses(Mutex<HashMap<String, OffsetDateTime>>);

impl KnownPauses {
    /// Learns of a key of the bucket; what cannot be read is left aside.
    pub(super) fn learn(&self, key: &str, value: &[u8]) {
        if let (Some(host), Ok(paused)) =
            (token::decode(key), serde_json::from_slice::<Paused>(value))
        {
            self.learn_pause(&host, paused.paused_until);
        }
    }

    /// Returns what was known before.
    fn learn_pause(&self, host: &str, until: OffsetDateTime) -> Option<OffsetDateTime> {
        let mut pauses = lock(&self.0);
        let longest = pauses.get(host).map_or(until, |end| until.max(*end));
        pauses.insert(host.to_owned(), longest)
    }

    fn until(&self, host: &str) -> Option<OffsetDateTime> {
        lock(&self.0).get(host).copied()
    }
}

/// Knows the pauses of one installation.
pub(super) struct JetStreamHostPauses {
    bucket: Bucket,
    clock: Arc<dyn Clock>,
    known: Arc<KnownPauses>,
}

impl JetStreamHostPauses {
    pub(super) fn new(bucket: Bucket, clock: Arc<dyn Clock>, known: Arc<KnownPauses>) -> Self {
        Self {
            bucket,
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
    ) -> Result<bool, QueueError> {
        // First of all here: it must be left alone even if nobody else can be told.
        let before = self.known.learn_pause(host, until);
        let is_new = before.is_none_or(|end| end <= self.clock.now());
        let key = token::encode(host);
        let pause = Paused {
            paused_until: until,
            reason: reason.to_owned(),
        };
        loop {
            let entry: Entry<Paused> = self.bucket.get(&key).await?;
            if let Some(longer) = entry.value.filter(|other| other.paused_until >= until) {
                self.known.learn_pause(host, longer.paused_until);
                return Ok(is_new);
            }
            let replaced = self.bucket.replace(&key, entry.revision, &pause).await?;
            if replaced.is_some() {
                return Ok(is_new);
            }
        }
    }

    fn paused_until(&self, host: &str) -> Option<OffsetDateTime> {
        self.known
            .until(host)
            .filter(|until| *until > self.clock.now())
    }
}
