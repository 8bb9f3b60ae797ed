//! What became of a job.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::failure::FailureClass;
use crate::mac::{Mac, MacKey};
use crate::text;

/// What was done with an image, in the words of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The target was equal to the source already.
    AlreadyCached,
    /// It was copied.
    Pulled,
    /// It would have been copied, but this was a dry run.
    Skipped,
    /// It could not be copied.
    Failed,
}

/// What happened to the blobs of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobCounts {
    /// Sent from the source to the target.
    pub copied: u32,
    /// Mounted from another repository of the target.
    pub mounted: u32,
    /// At the target without this job's doing.
    pub present: u32,
}

/// What the attempts at an image did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    /// How long they took, in milliseconds, without waits in the queue.
    pub duration_ms: u64,
    /// Bytes of blobs that were sent to the target.
    pub bytes_copied: u64,
    /// Blobs that were sent.
    pub copied: u32,
    /// Blobs that were mounted.
    pub mounted: u32,
}

impl Work {
    /// Whether nothing was done.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What a dry run found missing at the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WouldCopy {
    /// Blobs that the target lacks.
    pub blobs: u32,
    /// Their size in bytes, and that of the manifests.
    pub bytes: u64,
}

/// The result of one image: an entry of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageResult {
    /// The image as the config names it.
    #[serde(with = "text::field")]
    pub image: String,
    /// Its tag as the config names it.
    #[serde(with = "text::field")]
    pub tag: String,
    /// What was done.
    pub action: Action,
    /// The digest that the source has for the tag.
    pub remote_digest: Option<Digest>,
    /// The digest that the target had for the tag when it was checked.
    pub cached_digest: Option<Digest>,
    /// How long all attempts took, in milliseconds, without waits in the queue.
    pub duration_ms: u64,
    /// Why it failed.
    #[serde(default, with = "text::optional_field")]
    pub error: Option<String>,
    /// Where it goes to.
    #[serde(with = "text::field")]
    pub target: String,
    /// Which platforms of it.
    #[serde(with = "text::field")]
    pub platform: String,
    /// The digest that the target's tag has to have: the source's own, that of the chosen platform, or that of the
    /// converted or assembled manifest. None where it could not be found out.
    #[serde(default)]
    pub expected_digest: Option<Digest>,
    /// How many attempts it took.
    pub attempts: u32,
    /// Bytes of blobs that all attempts sent to the target.
    pub bytes_copied: u64,
    /// What happened to its blobs.
    pub blobs: BlobCounts,
    /// What a dry run found missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_copy: Option<WouldCopy>,
    /// How many attestations of the chosen platforms were left out, as the source lists them and does not serve them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attestations_left_out: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "what serde calls with the field"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// An [`ImageResult`] in the log of its run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobResult {
    /// The job's place in the run.
    pub idx: u32,
    /// The worker that worked it.
    #[serde(with = "text::field")]
    pub worker: String,
    /// The kind of failure, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<FailureClass>,
    /// The code of its job, as the job had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The entry of the report.
    pub entry: ImageResult,
}

impl JobResult {
    /// Whether it is of a job that was published with `key`, for the image that the job is for.
    #[must_use]
    pub fn is_proven_by(&self, key: &MacKey) -> bool {
        let ImageResult {
            image, tag, target, ..
        } = &self.entry;
        let [image, tag, target] = [image, tag, target].map(text::bounded);
        let idx = self.idx.to_string();
        let is_code = |mac| key.verifies(&[&idx, &image, &tag, &target], mac);
        self.mac.as_ref().is_some_and(is_code)
    }
}
