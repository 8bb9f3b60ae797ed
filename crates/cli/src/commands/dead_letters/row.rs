//! A dead letter as the list shows it.

use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::text::timestamp;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What a person wants to know first: what, when, why. The message that was no job is not shown: it is somebody's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    #[serde(with = "timestamp")]
    pub(super) died_at: OffsetDateTime,
    pub(super) reason: String,
    #[serde(flatten)]
    pub(super) job: Option<JobOfRow>,
}

/// The job of a letter that has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JobOfRow {
    pub(super) image: String,
    pub(super) tag: String,
    pub(super) target: String,
    pub(super) platform: String,
    pub(super) attempts: u32,
    pub(super) run_id: String,
}

impl From<DeadLetter> for Row {
    fn from(letter: DeadLetter) -> Self {
        Self {
            id: letter.id,
            died_at: letter.died_at,
            reason: letter.reason,
            job: letter.job.map(|job| JobOfRow {
                image: job.image,
                tag: job.tag,
                target: job.target.image.to_string(),
                platform: job.platforms.to_string(),
                attempts: job.attempt,
                run_id: job.run_id.to_string(),
            }),
        }
    }
}
