//! Facts as keys of a bucket, with those used last in memory.

use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::digest::Digest;
use image_sync_shared::ports::memo::{Fact, Memo};
use tokio::time::timeout;
use tracing::debug;

use super::bucket::{Bucket, Entry};
use super::token;
use crate::memory_memo::MemoryMemo;

/// How long a fact may take to be recalled or stored: without it a request is made once more, which is no great loss.
const PATIENCE: Duration = Duration::from_secs(1);

/// Remembers facts for all workers of one installation.
pub(super) struct JetStreamMemo {
    bucket: Bucket,
    known: MemoryMemo,
}

impl JetStreamMemo {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self {
            bucket,
            known: MemoryMemo::default(),
        }
    }
}

#[async_trait]
impl Memo for JetStreamMemo {
    async fn recall(&self, fact: &Fact) -> Option<Digest> {
        let key = fact.key();
        if let Some(known) = self.known.get(&key) {
            return Some(known);
        }
        let token = token::encode(&key);
        let entry: Entry<Digest> = match timeout(PATIENCE, self.bucket.get(&token)).await {
            Ok(Ok(entry)) => entry,
            Ok(Err(error)) => {
                debug!(%error, key, "a fact could not be recalled");
                return None;
            }
            Err(_elapsed) => return None,
        };
        let digest = entry.value?;
        self.known.insert(&key, &digest);
        Some(digest)
    }

    async fn remember(&self, fact: &Fact, digest: &Digest) {
        let key = fact.key();
        if !self.known.insert(&key, digest) {
            return;
        }
        let token = token::encode(&key);
        if let Ok(Err(error)) = timeout(PATIENCE, self.bucket.put(&token, digest)).await {
            debug!(%error, key, "a fact could not be stored");
        }
    }
}
