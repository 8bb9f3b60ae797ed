//! What is known of an image, for its result: filled as the work goes on, so that a failed attempt tells how far it came, and
//! begun with what the attempts before did.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::panics::lock;
use image_sync_shared::run::outcome::{ArtifactCounts, BlobCounts, Work, WouldCopy};

/// What this attempt found, and what all attempts did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The digest of the source's tag.
    pub(crate) remote: Option<Digest>,
    /// The digest that the target's tag had at the check.
    pub(crate) cached: Option<Digest>,
    /// The digest that the target's tag has to have.
    pub(crate) expected: Option<Digest>,
    /// The source's digest that stands for the wanted platforms.
    pub(crate) chosen: Option<Digest>,
    /// What happened to the blobs, those that this job copied or mounted counted as present too when they are met again.
    pub(crate) blobs: BlobCounts,
    /// How many this job had copied or mounted before all were looked at last.
    copied_before: u32,
    /// Bytes of blobs that were sent whole.
    bytes_copied: u64,
    /// Bytes of those that were not, by this attempt.
    partly: BTreeMap<Digest, u64>,
    /// What a dry run found missing.
    pub(crate) would_copy: Option<WouldCopy>,
    /// What the job's policy had left out or left as it is.
    pub(crate) note: Option<String>,
    /// Attestations of the chosen platforms that the source does not serve.
    pub(crate) attestations_left_out: u32,
    /// What became of the artifacts of the image, those that this job copied counted as present too when they are met again. Nothing
    /// where none were looked for.
    pub(crate) artifacts: Option<ArtifactCounts>,
    /// How many this job had copied before all were looked at last.
    artifacts_before: u32,
}

impl Tally {
    /// What a job says of its past may be any number, to which no attempt adds as much again.
    pub(crate) fn starting_with(so_far: &Work) -> Self {
        let mut tally = Self {
            bytes_copied: so_far.bytes_copied.min(u64::MAX / 2),
            ..Self::default()
        };
        tally.blobs.copied = so_far.copied.min(u32::MAX / 4);
        tally.blobs.mounted = so_far.mounted.min(u32::MAX / 4);
        tally.artifacts = (so_far.artifacts > 0).then(|| ArtifactCounts {
            copied: so_far.artifacts.min(u32::MAX / 4),
            ..ArtifactCounts::default()
        });
        tally.recount();
        tally
    }

    /// From now on all blobs are looked at, those that were looked at before too.
    pub(crate) fn recount(&mut self) {
        self.copied_before = self.blobs.copied + self.blobs.mounted;
        self.blobs.present = 0;
        self.artifacts = self.artifacts.map(|found| ArtifactCounts {
            copied: found.copied,
            ..ArtifactCounts::default()
        });
        self.artifacts_before = self.artifacts_copied();
    }

    /// Some bytes of a blob were sent.
    pub(crate) fn advanced(&mut self, blob: &Digest, bytes: u64) {
        match self.partly.get_mut(blob) {
            Some(sent) => *sent = sent.saturating_add(bytes),
            None => drop(self.partly.insert(blob.clone(), bytes)),
        }
    }

    /// A blob was sent whole.
    pub(crate) fn copied(&mut self, blob: &Digest, bytes: u64) {
        self.partly.remove(blob);
        self.blobs.copied += 1;
        self.bytes_copied += bytes;
    }

    /// Bytes of blobs that were sent, those of a blob that is not through too.
    pub(crate) fn bytes_sent(&self) -> u64 {
        let partly = self.partly.values();
        partly.fold(self.bytes_copied, |sum, sent| sum.saturating_add(*sent))
    }

    /// How many artifacts this job has copied.
    pub(crate) fn artifacts_copied(&self) -> u32 {
        self.artifacts.map_or(0, |artifacts| artifacts.copied)
    }

    /// What became of the artifacts, each counted once.
    pub(crate) fn distinct_artifacts(&self) -> Option<ArtifactCounts> {
        self.artifacts.map(|found| ArtifactCounts {
            present: found.present.saturating_sub(self.artifacts_before),
            ..found
        })
    }

    /// What happened to the blobs, each counted once.
    pub(crate) fn distinct_blobs(&self) -> BlobCounts {
        BlobCounts {
            present: self.blobs.present.saturating_sub(self.copied_before),
            ..self.blobs
        }
    }
}

/// A [`Tally`] that the blobs of an image write to at the same time.
#[derive(Debug)]
pub(crate) struct SharedTally(Mutex<Tally>);

impl SharedTally {
    /// The tally of an attempt at a job that did so much already.
    pub(crate) fn starting_with(so_far: &Work) -> Self {
        Self(Mutex::new(Tally::starting_with(so_far)))
    }

    /// The tally, for a moment: no await may come before it is dropped.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Tally> {
        lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_goes_on_whatever_a_message_says_was_counted() {
        let work = Work {
            duration_ms: u64::MAX,
            bytes_copied: u64::MAX,
            copied: u32::MAX,
            mounted: u32::MAX,
            artifacts: u32::MAX,
            started_at: None,
        };
        let tally = SharedTally::starting_with(&work);
        let mut tally = tally.lock();
        tally.copied(&Digest::of(b"one"), 1);
        tally.blobs.mounted += 1;
        tally.recount();
        assert_eq!(tally.distinct_blobs().present, 0);
    }

    #[test]
    fn bytes_of_a_blob_that_is_not_through_count_until_it_is() {
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let mut tally = Tally::default();
        tally.advanced(&one, 3);
        tally.advanced(&two, 4);
        tally.advanced(&one, 7);
        assert_eq!(tally.bytes_sent(), 14);
        // What was sent twice, as after a cut, counts once.
        tally.copied(&one, 8);
        assert_eq!((tally.bytes_sent(), tally.blobs.copied), (12, 1));
    }
}
