//! Facts as keys of a bucket, with those used last in memory.
//!
//! Whoever has a worker's permissions may write the bucket. So a fact of another worker counts only with the code of a key
//! that workers share and the NATS server is not told; without a key each worker goes by what it has proven itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::ports::memo::{Fact, Memo, Memos, is_proof_good};
use image_sync_shared::secret::mac::{Mac, MacKey};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::time::timeout;
use tracing::debug;

use super::bucket::{Bucket, Entry};
use crate::jetstream::client::Connection;
use crate::jetstream::names::token;
use crate::memo::{MemoryMemo, Proven};

/// How long a fact may take to be recalled or stored: without it a request is made once more, which is no great loss.
const PATIENCE: Duration = Duration::from_secs(1);

/// Remembers facts for all workers of one installation that have the same key.
struct JetStreamMemo {
    bucket: Bucket,
    key: Option<MacKey>,
    known: MemoryMemo,
}

/// A fact in the bucket.
#[derive(Serialize, Deserialize)]
struct Signed {
    digest: Digest,
    /// In seconds since 1970.
    proven_at: i64,
    mac: Mac,
}

impl Signed {
    fn new(key: &MacKey, fact: &str, proven: &Proven) -> Self {
        let (digest, proven_at) = (proven.digest.clone(), proven.at.unix_timestamp());
        Self {
            // Of the fact too: else what was proven of one could be copied to the key of another.
            mac: key.mac(&[fact, digest.as_str(), &proven_at.to_string()]),
            digest,
            proven_at,
        }
    }

    /// What it says, if it was signed with `key` for `fact`.
    fn open(self, key: &MacKey, fact: &str) -> Option<Proven> {
        let parts = [fact, self.digest.as_str(), &self.proven_at.to_string()];
        let is_signed = key.verifies(&parts, &self.mac);
        let at = OffsetDateTime::from_unix_timestamp(self.proven_at).ok()?;
        is_signed.then_some(Proven {
            digest: self.digest,
            at,
        })
    }
}

impl JetStreamMemo {
    fn new(bucket: Bucket, key: Option<MacKey>) -> Self {
        Self {
            bucket,
            key,
            known: MemoryMemo::default(),
        }
    }

    /// What another worker has proven.
    async fn learn(&self, fact: &str, now: OffsetDateTime) -> Option<Digest> {
        let key = self.key.as_ref()?;
        let token = token::encode(fact);
        let entry: Entry<Signed> = match timeout(PATIENCE, self.bucket.get(&token)).await {
            Ok(Ok(entry)) => entry,
            Ok(Err(error)) => {
                debug!(%error, fact, "a fact could not be recalled");
                return None;
            }
            Err(_elapsed) => return None,
        };
        let proven = entry.value?.open(key, fact)?;
        let digest = proven.digest.clone();
        is_proof_good(fact, proven.at, now).then(|| {
            self.known.insert(fact, proven);
            digest
        })
    }
}

/// Gives out the memos of one installation.
pub(crate) struct JetStreamMemos {
    connection: Connection,
}

impl JetStreamMemos {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }
}

impl Memos for JetStreamMemos {
    fn of(&self, key: Option<MacKey>) -> Arc<dyn Memo> {
        let bucket = Bucket::new(self.connection.clone(), self.connection.names().memo());
        Arc::new(JetStreamMemo::new(bucket, key))
    }
}

#[async_trait]
impl Memo for JetStreamMemo {
    async fn recall(&self, fact: &Fact, now: OffsetDateTime) -> Option<Digest> {
        let fact = fact.key();
        match self.known.get(&fact, now) {
            Some(known) => Some(known),
            None => self.learn(&fact, now).await,
        }
    }

    async fn remember(&self, fact: &Fact, digest: &Digest, now: OffsetDateTime) {
        let (fact, digest) = (fact.key(), digest.clone());
        let proven = Proven { digest, at: now };
        // What is no news is not stored again, or each proof of the same would be a write.
        if !self.known.insert(&fact, proven.clone()) {
            return;
        }
        let Some(key) = &self.key else {
            return;
        };
        let (token, signed) = (token::encode(&fact), Signed::new(key, &fact, &proven));
        if let Ok(Err(error)) = timeout(PATIENCE, self.bucket.put(&token, &signed)).await {
            debug!(%error, fact, "a fact could not be stored");
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_fact_is_taken_as_it_was_signed_and_for_what_it_was_signed() {
        let key = MacKey::of_text("of all workers");
        let proven = Proven {
            digest: Digest::of(b"child"),
            at: datetime!(2026-11-20 12:00 UTC),
        };
        let signed = || Signed::new(&key, "chosen/1", &proven);
        assert_eq!(signed().open(&key, "chosen/1"), Some(proven.clone()));
        assert_eq!(signed().open(&key, "chosen/2"), None, "of another index");
        assert_eq!(signed().open(&MacKey::of_text("other"), "chosen/1"), None);
        let other = Signed {
            digest: Digest::of(b"other child"),
            ..signed()
        };
        assert_eq!(other.open(&key, "chosen/1"), None);
        let younger = Signed {
            proven_at: signed().proven_at + 1,
            ..signed()
        };
        assert_eq!(younger.open(&key, "chosen/1"), None);
    }
}
