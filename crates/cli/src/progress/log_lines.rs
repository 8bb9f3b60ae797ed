//! Progress where nobody looks at a display: a log line per image.

use image_sync_shared::job::Job;
use image_sync_shared::outcome::{Action, ImageResult};
use image_sync_shared::ports::progress::Progress;
use tracing::{error, info};

use crate::units;

/// Logs what became of each image.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogLines;

impl Progress for LogLines {
    fn image_ended(&self, job: &Job, result: &ImageResult) {
        let image = format!("{}:{}", result.image, result.tag);
        let target = &result.target;
        let duration_ms = result.duration_ms;
        match result.action {
            Action::AlreadyCached => {
                info!(job = %job.job_id, action = "already_cached", target, duration_ms, "{image} is in place");
            }
            Action::Pulled => {
                let bytes = units::bytes(result.bytes_copied);
                info!(
                    job = %job.job_id, action = "pulled", target, duration_ms,
                    bytes = result.bytes_copied, blobs = result.blobs.copied,
                    "{image} was copied, {bytes}"
                );
            }
            Action::Skipped => {
                let would = result.would_copy.unwrap_or_default();
                let (blobs, bytes) = (units::count(would.blobs, "blob"), units::bytes(would.bytes));
                info!(
                    job = %job.job_id, action = "skipped", target, duration_ms,
                    bytes = would.bytes, blobs = would.blobs,
                    "{image} would be copied, {blobs}, {bytes}"
                );
            }
            Action::Failed => {
                let error = result.error.as_deref().unwrap_or("no reason given");
                error!(job = %job.job_id, action = "failed", target, duration_ms, "{image} failed: {error}");
            }
        }
    }
}
