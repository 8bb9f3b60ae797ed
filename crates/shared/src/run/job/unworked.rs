//! The result of a job that nobody works.

use super::Job;
use crate::failure::FailureClass;
use crate::run::outcome::{Action, BlobCounts, ImageResult, JobResult};

impl Job {
    /// Its result where nobody works it, or not any more: `worker` found out why.
    #[must_use]
    pub fn unworked(&self, worker: &str, class: FailureClass, error: String) -> JobResult {
        let so_far = self.so_far;
        JobResult {
            idx: self.idx,
            worker: worker.to_owned(),
            class: Some(class),
            mac: self.mac,
            entry: ImageResult {
                image: self.image.clone(),
                tag: self.tag.clone(),
                action: Action::Failed,
                remote_digest: None,
                cached_digest: None,
                duration_ms: so_far.duration_ms,
                error: Some(error),
                failure: None,
                started_at: so_far.started_at,
                ended_at: None,
                target: self.target.image.to_string(),
                platform: self.platforms.to_string(),
                expected_digest: None,
                attempts: self.attempt,
                bytes_copied: so_far.bytes_copied,
                blobs: BlobCounts {
                    copied: so_far.copied,
                    mounted: so_far.mounted,
                    present: 0,
                },
                would_copy: None,
                note: None,
                attestations_left_out: 0,
                artifacts: None,
            },
        }
    }
}
