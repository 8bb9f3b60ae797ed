//! What a person may want to see while a run is under way.

use time::OffsetDateTime;

use crate::image::digest::Digest;
use crate::run::job::{Job, JobId};
use crate::run::outcome::ImageResult;

/// Is told what happens. Called often, so it must return at once.
pub trait Progress: Send + Sync {
    /// The run has this many images.
    fn run_sized(&self, images: u32) {
        let _ = images;
    }

    /// Work on an image begins.
    fn image_started(&self, job: &Job) {
        let _ = job;
    }

    /// The blobs that the image, or what belongs to it, refers to have this many bytes in all.
    fn blobs_planned(&self, job: &JobId, bytes: u64) {
        let _ = (job, bytes);
    }

    /// One of them, of this size, is at the target and need not be sent.
    fn blob_found(&self, job: &JobId, size: u64) {
        let _ = (job, size);
    }

    /// A blob of this size begins to be sent.
    fn blob_started(&self, job: &JobId, blob: &Digest, size: u64) {
        let _ = (job, blob, size);
    }

    /// This many more bytes of a blob were sent.
    fn blob_advanced(&self, job: &JobId, blob: &Digest, bytes: u64) {
        let _ = (job, blob, bytes);
    }

    /// A blob is through, or given up.
    fn blob_ended(&self, job: &JobId, blob: &Digest) {
        let _ = (job, blob);
    }

    /// An attempt ended, and the image was put back until then.
    fn image_put_back(&self, job: &Job, why: &str, until: Option<OffsetDateTime>) {
        let _ = (job, why, until);
    }

    /// An image has its result.
    fn image_ended(&self, job: &Job, result: &ImageResult) {
        let _ = (job, result);
    }
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}
