//! What is told of blobs: to who watches, to the metrics, and to the tally of the attempt.

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::ports::telemetry::measures::{BlobEnd, Measures};
use image_sync_shared::ports::telemetry::progress::Progress;
use image_sync_shared::run::job::JobId;
use tracing::debug;

use crate::decide::tally::SharedTally;

/// Those who are told of the blobs of one job.
#[derive(Clone, Copy)]
pub(crate) struct BlobProgress<'a> {
    /// The job.
    pub(crate) job: &'a JobId,
    /// Who watches.
    pub(crate) progress: &'a dyn Progress,
    /// Who counts.
    pub(crate) measures: &'a dyn Measures,
    /// What the attempt did.
    pub(crate) tally: &'a SharedTally,
}

impl<'a> BlobProgress<'a> {
    /// These blobs have to be at the target.
    pub(crate) fn planned<'b>(self, blobs: impl Iterator<Item = &'b Descriptor>) {
        // A manifest may say any size.
        let bytes = blobs.map(|blob| blob.size).fold(0, u64::saturating_add);
        self.progress.blobs_planned(self.job, bytes);
    }

    /// A blob is being sent until what this returns is dropped.
    pub(crate) fn start(self, blob: &'a Descriptor) -> BlobUnderWay<'a> {
        let Self { job, progress, .. } = self;
        let digest = &blob.digest;
        progress.blob_started(job, digest, blob.size);
        BlobUnderWay {
            progress,
            job,
            digest,
        }
    }

    /// Some bytes of it were sent.
    pub(crate) fn advanced(self, digest: &Digest, bytes: u64) {
        self.progress.blob_advanced(self.job, digest, bytes);
        self.tally.lock().advanced(digest, bytes);
        self.measures.bytes_copied(bytes);
    }

    /// It was there.
    pub(crate) fn present(self, blob: &Descriptor) {
        self.progress.blob_found(self.job, blob.size);
        self.tally.lock().blobs.present += 1;
        self.measures.blob_ended(BlobEnd::Present);
    }

    /// It was mounted.
    pub(crate) fn mounted(self, blob: &Descriptor) {
        self.progress.blob_found(self.job, blob.size);
        self.tally.lock().blobs.mounted += 1;
        self.measures.blob_ended(BlobEnd::Mounted);
    }

    /// It was sent.
    pub(crate) fn copied(self, digest: &Digest, bytes: u64) {
        debug!(blob = %digest, bytes, "sent");
        self.measures.blob_ended(BlobEnd::Copied);
        self.tally.lock().copied(digest, bytes);
    }
}

/// A blob that is shown as under way.
pub(crate) struct BlobUnderWay<'a> {
    progress: &'a dyn Progress,
    job: &'a JobId,
    digest: &'a Digest,
}

impl Drop for BlobUnderWay<'_> {
    fn drop(&mut self) {
        self.progress.blob_ended(self.job, self.digest);
    }
}
