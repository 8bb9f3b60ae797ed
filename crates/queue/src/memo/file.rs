//! A memo in a small file, so that the next process knows it too.
//!
//! The file has a line per fact, its key, when it was proven (in seconds since 1970) and its digest with tabs in between; the
//! last line of a key counts, and a line of an earlier version, without a time, is a fact that is to be proven anew. The line of
//! an image's creation time has that time, and the image's own digest. A line is
//! appended by one write to a file that is opened for it, so several processes may use the file at once. Losing it, or a
//! part of it, costs requests and nothing else: what cannot be read is skipped, and where nothing can be written the
//! memo is one in memory. What is no regular file, as a symbolic link, is not used.

mod disk;
mod line;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::ports::creation_times::{CreationTimes, DatedImage};
use image_sync_shared::ports::memo::{Fact, Memo};
use time::OffsetDateTime;
use tokio::task::spawn_blocking;

use super::facts::{Facts, Proven};
use super::memory::{DEFAULT_CAPACITY, MemoryMemo};

/// Remembers facts in a file.
pub struct MemoFile {
    path: PathBuf,
    known: MemoryMemo,
    is_writable: AtomicBool,
}

impl MemoFile {
    /// The memo in the file at `path`, which need not exist. Reads it now, and rewrites it if much of it is of no use.
    #[must_use]
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self::with_capacity(path, DEFAULT_CAPACITY)
    }

    /// As [`MemoFile::open`], with at most `capacity` facts; the oldest is dropped first.
    #[must_use]
    pub fn with_capacity(path: impl Into<PathBuf>, capacity: usize) -> Self {
        let (path, mut facts) = (path.into(), Facts::new(capacity));
        let loaded = disk::load(&path, &mut facts).and_then(|found| {
            if found.is_worth_a_rewrite(facts.len()) {
                disk::rewrite(&path, found, &facts)?;
            }
            Ok(())
        });
        let memo = Self {
            path,
            known: MemoryMemo::of(facts),
            is_writable: AtomicBool::new(true),
        };
        match loaded {
            Err(error) if error.kind() != io::ErrorKind::NotFound => memo.give_up(&error),
            _ => {}
        }
        memo
    }

    /// Goes on in memory only, and says so the first time.
    fn give_up(&self, error: &io::Error) {
        if self.is_writable.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                path = %self.path.display(),
                %error,
                "the state file cannot be used: what is learned now must be asked for again next time"
            );
        }
    }

    /// Remembers a fact, and appends it to the file if it is news.
    async fn keep(&self, key: String, proven: Proven) {
        let line = line::write(&key, &proven);
        if !self.known.insert(&key, proven) || !self.is_writable.load(Ordering::Relaxed) {
            return;
        }
        let Some(line) = line else {
            return;
        };
        let path = self.path.clone();
        let appended = spawn_blocking(move || disk::append(&path, &line)).await;
        if let Err(error) = appended.unwrap_or_else(|lost| Err(io::Error::other(lost))) {
            self.give_up(&error);
        }
    }
}

#[async_trait]
impl Memo for MemoFile {
    async fn recall(&self, fact: &Fact, now: OffsetDateTime) -> Option<Digest> {
        self.known.recall(fact, now).await
    }

    async fn remember(&self, fact: &Fact, digest: &Digest, now: OffsetDateTime) {
        let proven = Proven {
            digest: digest.clone(),
            at: now,
        };
        self.keep(fact.key(), proven).await;
    }
}

#[async_trait]
impl CreationTimes for MemoFile {
    async fn recall_created(&self, image: &DatedImage) -> Option<OffsetDateTime> {
        self.known.created(image)
    }

    async fn remember_created(&self, image: &DatedImage, at: OffsetDateTime) {
        let digest = image.digest.clone();
        self.keep(image.key(), Proven { digest, at }).await;
    }
}
