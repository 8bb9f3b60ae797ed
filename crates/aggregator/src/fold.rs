//! What the log of a run says: a pure fold over its events.
//!
//! The log is at least once and in no particular order, so nothing depends on either: the first result of a job counts
//! and repeats do not, results may come before the seal that says how many to expect, and the same log always folds to
//! the same counts.
//!
//! Workers may be of another version than whoever reads the log: a result counts whatever words it has, by whether it says
//! that the image failed.
//!
//! Whoever has a worker's permissions may append results, so only those count that have the code of their job
//! ([`RunOpened::key`]): of an image that the producer named, by somebody who got its job.

use std::collections::BTreeMap;
use std::time::Duration;

use image_sync_shared::run::outcome::{JobResult, ResultKind};
use image_sync_shared::run::report::{RunStatus, Summary};
use image_sync_shared::run::{RunEvent, RunOpened};
use time::OffsetDateTime;

use crate::sparse::Sparse;

/// How many results before the opening are kept until it says which of them count. A producer stores the opening before any
/// job, so a log has none unless it is read in another order.
const MAX_EARLY: usize = 64;

/// The state of a run, as far as its log was read. Costs about one byte per image, and until its seal some thirty more for
/// each image of which something was copied.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    opened: Option<RunOpened>,
    expected: Option<u32>,
    named: u32,
    early: Vec<JobResult>,
    unproven: u64,
    kinds: Sparse<ResultKind>,
    arrived: u32,
    bytes_copied: u64,
    /// What was copied before the seal, by the place of the image: only the seal says which places are of the run.
    unsealed_bytes: BTreeMap<u32, u64>,
}

impl Fold {
    /// Takes in the next event. Returns the results that count from now on: each is the first one of its job.
    pub fn apply(&mut self, event: RunEvent) -> Vec<JobResult> {
        match event {
            RunEvent::Open(opened) => {
                // The first one counts, and its key with it: a second opening would let whoever writes it choose which
                // results are proven.
                self.opened.get_or_insert(opened);
                let early = std::mem::take(&mut self.early);
                early
                    .into_iter()
                    .filter_map(|early| self.take(early))
                    .collect()
            }
            RunEvent::Result(early) if self.opened.is_none() => {
                if self.early.len() < MAX_EARLY {
                    self.early.push(*early);
                }
                Vec::new()
            }
            RunEvent::Chunk { first_idx, items } => {
                let items = u32::try_from(items.len()).unwrap_or(u32::MAX);
                self.named = self.named.max(first_idx.saturating_add(items));
                Vec::new()
            }
            RunEvent::Seal { expected } => {
                if self.expected.is_none() {
                    self.expected = Some(expected);
                    // Counted anew: before the seal any place may have been one of the run, and those beyond it are
                    // none.
                    self.arrived = self.results().map(|_| 1).sum();
                    let copied = std::mem::take(&mut self.unsealed_bytes);
                    self.bytes_copied = copied
                        .range(..expected)
                        .fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes));
                }
                Vec::new()
            }
            RunEvent::Result(result) => self.take(*result).into_iter().collect(),
            RunEvent::Alive { .. } | RunEvent::Attempt { .. } => Vec::new(),
        }
    }

    fn take(&mut self, result: JobResult) -> Option<JobResult> {
        // Before it takes its place: a forged result that came first would keep the worker's own from counting.
        if !self.is_proven(&result) {
            self.unproven = self.unproven.saturating_add(1);
            return None;
        }
        let result = result.with_class_in_entry();
        if !self.kinds.insert_first(result.idx, result.entry.kind()) {
            return None;
        }
        if !self.is_expected(result.idx) {
            return None;
        }
        let bytes = result.entry.bytes_copied;
        self.bytes_copied = self.bytes_copied.saturating_add(bytes);
        if !self.is_sealed() && bytes > 0 {
            self.unsealed_bytes.insert(result.idx, bytes);
        }
        self.arrived += 1;
        Some(result)
    }

    /// Without a key, as in a run of an earlier version, there is no proof to be had.
    fn is_proven(&self, result: &JobResult) -> bool {
        let key = self.opened.as_ref().and_then(|opened| opened.key.as_ref());
        key.is_none_or(|key| result.is_proven_by(key))
    }

    /// How the run ended, or none while it is open: complete when it is sealed and all results are there; at its
    /// deadline incomplete, or abandoned when it was never sealed.
    #[must_use]
    pub fn ended(&self, now: OffsetDateTime) -> Option<RunStatus> {
        let opened = self.opened.as_ref()?;
        match self.expected {
            Some(expected) if self.arrived == expected => Some(RunStatus::Complete),
            Some(_) if now >= opened.deadline_at => Some(RunStatus::Incomplete),
            None if now >= opened.deadline_at => Some(RunStatus::Abandoned),
            _ => None,
        }
    }

    /// Whether the run has no seal, and will get none, as its producer has been silent for too long.
    #[must_use]
    pub fn is_abandoned_after(&self, silence: Duration) -> bool {
        let limit = |opened: &RunOpened| Duration::from_millis(opened.silence_ms);
        self.expected.is_none()
            && self
                .opened
                .as_ref()
                .map(limit)
                .is_some_and(|limit| silence >= limit)
    }

    /// The run's opening, if it was read.
    #[must_use]
    pub fn opened(&self) -> Option<&RunOpened> {
        self.opened.as_ref()
    }

    /// Counts of actions. The total is what the seal says; without one it is what was to be published, or more if more was
    /// named or arrived.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        let mut past_last = 0;
        for (idx, kind) in self.results() {
            summary.count(kind);
            past_last = idx.saturating_add(1);
        }
        let planned = self.opened.as_ref().and_then(|opened| opened.images);
        let without_seal = || self.named.max(past_last).max(planned.unwrap_or_default());
        summary.total = self.expected.unwrap_or_else(without_seal);
        summary.missing = summary.total.saturating_sub(summary.results());
        summary
    }

    /// Whether all jobs of the run are published.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.expected.is_some()
    }

    /// How many images have a result.
    #[must_use]
    pub fn arrived(&self) -> u32 {
        self.arrived
    }

    /// How many results did not count, as they are of no job of the run.
    #[must_use]
    pub fn unproven(&self) -> u64 {
        self.unproven
    }

    /// Bytes of blobs that all results of the run together say were sent.
    #[must_use]
    pub fn bytes_copied(&self) -> u64 {
        self.bytes_copied
    }

    /// Whether image `idx` is one of the run and has no result.
    #[must_use]
    pub fn is_missing(&self, idx: u32) -> bool {
        let is_named = self.expected.is_some() || idx < self.named;
        is_named && self.is_expected(idx) && self.kinds.get(idx).is_none()
    }

    /// Whether `idx` is a place in the run; before the seal any place may be one.
    pub(crate) fn is_expected(&self, idx: u32) -> bool {
        self.expected.is_none_or(|expected| idx < expected)
    }

    fn results(&self) -> impl Iterator<Item = (u32, ResultKind)> {
        self.kinds
            .iter()
            .take_while(|(idx, _)| self.is_expected(*idx))
    }
}

#[cfg(test)]
mod tests;
