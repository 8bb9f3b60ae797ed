//! A memo that ends with the process.

use std::sync::Mutex;

use async_trait::async_trait;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::creation_times::{CreationTimes, DatedImage};
use image_sync_shared::ports::memo::{Fact, Memo};
use time::OffsetDateTime;

use super::facts::{Facts, Proven};

/// How many facts a memo keeps unless told otherwise: some 30 MB of them.
pub const DEFAULT_CAPACITY: usize = 100_000;

/// Remembers facts for as long as the process lives.
pub struct MemoryMemo {
    facts: Mutex<Facts>,
}

impl MemoryMemo {
    /// An empty memo of at most `capacity` facts; the oldest is dropped first.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self::of(Facts::new(capacity))
    }

    pub(crate) fn of(facts: Facts) -> Self {
        Self {
            facts: Mutex::new(facts),
        }
    }

    pub(crate) fn get(&self, key: &str, now: OffsetDateTime) -> Option<Digest> {
        lock(&self.facts).get(key, now).cloned()
    }

    pub(crate) fn created(&self, image: &DatedImage) -> Option<OffsetDateTime> {
        let facts = lock(&self.facts);
        let Proven { digest, at } = facts.get_lasting(&image.key())?;
        (*digest == image.digest).then_some(*at)
    }

    /// Whether the fact is news.
    pub(crate) fn insert(&self, key: &str, proven: Proven) -> bool {
        lock(&self.facts).insert(key, proven)
    }
}

impl Default for MemoryMemo {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

#[async_trait]
impl Memo for MemoryMemo {
    async fn recall(&self, fact: &Fact, now: OffsetDateTime) -> Option<Digest> {
        self.get(&fact.key(), now)
    }

    async fn remember(&self, fact: &Fact, digest: &Digest, now: OffsetDateTime) {
        let digest = digest.clone();
        self.insert(&fact.key(), Proven { digest, at: now });
    }
}

#[async_trait]
impl CreationTimes for MemoryMemo {
    async fn recall_created(&self, image: &DatedImage) -> Option<OffsetDateTime> {
        self.created(image)
    }

    async fn remember_created(&self, image: &DatedImage, at: OffsetDateTime) {
        let digest = image.digest.clone();
        self.insert(&image.key(), Proven { digest, at });
    }
}
