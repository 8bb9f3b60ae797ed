//! What became of a job.

use std::fmt;

use serde::{Deserialize, Serialize};

use time::OffsetDateTime;

use crate::failure::{Failure, FailureClass, Side, Step};
use crate::image::digest::Digest;
use crate::secret::mac::{Mac, MacKey};
use crate::text;
use crate::text::UnknownWord;
use crate::text::word::words;

/// What was done with an image, in the words of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The target was equal to the source already.
    AlreadyCached,
    /// It was copied.
    Pulled,
    /// It would have been copied, but this was a dry run.
    Skipped,
    /// It was left as it is, as its policy says.
    Kept,
    /// It could not be copied.
    Failed,
    /// What a worker of another version calls so.
    Other(UnknownWord),
}

words!(Action {
    AlreadyCached = "already_cached",
    Pulled = "pulled",
    Skipped = "skipped",
    Kept = "kept",
    Failed = "failed",
});

/// What a result counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultKind {
    /// The target was equal to the source already.
    AlreadyCached,
    /// It was copied.
    Pulled,
    /// It would have been copied, but this was a dry run.
    Skipped,
    /// It was left as it is, as its policy says.
    Kept,
    /// It failed.
    Failed,
    /// It is done, in a way that this version has no word for.
    Other,
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

/// What became of the artifacts that belong to an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArtifactCounts {
    /// Copied to the target.
    pub copied: u32,
    /// At the target without this job's doing.
    pub present: u32,
    /// Left at the source, as what they belong to is not copied as it is: the index of which some platforms are chosen, or a
    /// manifest that was converted.
    pub unfit: u32,
    /// At the target, and no longer at the source.
    #[serde(skip_serializing_if = "is_zero")]
    pub kept: u32,
    /// Could not be copied, or not even be asked for.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: u32,
}

impl ArtifactCounts {
    /// Those of two images together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            copied: self.copied.saturating_add(other.copied),
            present: self.present.saturating_add(other.present),
            unfit: self.unfit.saturating_add(other.unfit),
            kept: self.kept.saturating_add(other.kept),
            failed: self.failed.saturating_add(other.failed),
        }
    }

    /// The words of the report with their counts.
    #[must_use]
    pub fn by_word(self) -> [(&'static str, u32); 5] {
        [
            ("copied", self.copied),
            ("present", self.present),
            ("unfit", self.unfit),
            ("kept", self.kept),
            ("failed", self.failed),
        ]
    }
}

/// As `2 copied, 1 unfit`.
impl fmt::Display for ArtifactCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.by_word().into_iter().filter(|(_, count)| *count > 0);
        let counts: Vec<String> = counts
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        if counts.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&counts.join(", "))
    }
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
    /// Artifacts that were copied.
    #[serde(skip_serializing_if = "is_zero")]
    pub artifacts: u32,
    /// When the first of them began.
    #[serde(
        with = "text::timestamp::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub started_at: Option<OffsetDateTime>,
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
    /// Artifacts that the target lacks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub artifacts: u32,
}

/// A failure as the report has it: what a program asks for, where the text of it is for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedFailure {
    /// Which side.
    pub side: Side,
    /// At which step.
    pub step: Step,
    /// The blob, manifest, tag or repository it was about.
    #[serde(with = "text::field")]
    pub subject: String,
    /// The name of its class.
    #[serde(with = "text::field")]
    pub class: String,
    /// The status code of the answer, where it was an answer that refused (RFC 9110, section 15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What was answered or found.
    #[serde(with = "text::field")]
    pub message: String,
    /// Whether another attempt, or another run, may do better with nothing changed.
    pub retryable: bool,
}

impl From<&Failure> for ReportedFailure {
    fn from(failure: &Failure) -> Self {
        Self {
            side: failure.side,
            step: failure.step,
            subject: failure.subject.clone(),
            class: failure.class.name().to_owned(),
            status: failure.status,
            message: failure.answer.clone(),
            retryable: failure.class.may_pass(),
        }
    }
}

impl ReportedFailure {
    /// The same with no more of its texts than stands inside a sentence.
    #[must_use]
    pub fn cut(&self) -> Self {
        Self {
            subject: text::excerpt(&self.subject),
            class: text::excerpt(&self.class),
            message: text::excerpt(&self.message),
            ..self.clone()
        }
    }
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
    /// The same in parts, where it failed at a registry or folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Box<ReportedFailure>>,
    /// When its first attempt began; nothing where none did.
    #[serde(
        default,
        with = "text::timestamp::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub started_at: Option<OffsetDateTime>,
    /// When its last attempt ended.
    #[serde(
        default,
        with = "text::timestamp::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub ended_at: Option<OffsetDateTime>,
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
    /// What its policy had left out or left as it is.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "text::optional_field"
    )]
    pub note: Option<String>,
    /// How many attestations of the chosen platforms were left out, as the source lists them and does not serve them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attestations_left_out: u32,
    /// What became of its artifacts; nothing where its policy has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<ArtifactCounts>,
}

impl ImageResult {
    /// What it counts as: with an action that this version does not know as failed if it says why, and as done otherwise.
    #[must_use]
    pub fn kind(&self) -> ResultKind {
        match self.action {
            Action::AlreadyCached => ResultKind::AlreadyCached,
            Action::Pulled => ResultKind::Pulled,
            Action::Skipped => ResultKind::Skipped,
            Action::Kept => ResultKind::Kept,
            Action::Failed => ResultKind::Failed,
            Action::Other(_) if self.error.is_some() => ResultKind::Failed,
            Action::Other(_) => ResultKind::Other,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "what serde calls with the field"
)]
pub(crate) fn is_zero(count: &u32) -> bool {
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

    /// The same, with all that it says of a failure in its entry: a class that this version does not know, as it may be all
    /// that tells what happened, and of an unknown action any class.
    #[must_use]
    pub fn with_class_in_entry(mut self) -> Self {
        let Some(class) = self.class else { return self };
        let error = self.entry.error.take();
        self.entry.error = match (self.entry.action, class) {
            (Action::Failed | Action::Other(_), FailureClass::Other(word)) => Some(match error {
                // Whoever wrote it may have put the class there, as this does.
                Some(error) if error.starts_with(word.as_str()) => error,
                Some(error) => text::bounded(format_args!("{word}: {error}")),
                None => word.to_string(),
            }),
            (Action::Other(_), class) => error.or_else(|| Some(class.name().to_owned())),
            _ => error,
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn told(
        action: &str,
        class: Option<&str>,
        error: Option<&str>,
    ) -> (ResultKind, Option<String>) {
        let mut result = samples::result(0);
        result.entry.action = Action::from(action);
        result.class = class.map(|class| serde_json::from_value(class.into()).unwrap());
        result.entry.error = error.map(str::to_owned);
        let entry = result.with_class_in_entry().entry;
        (entry.kind(), entry.error)
    }

    #[test]
    fn a_result_with_an_unknown_action_has_failed_if_it_says_why_and_is_done_otherwise() {
        let text = |error: &str| Some(error.to_owned());
        assert_eq!(told("signed", None, None), (ResultKind::Other, None));
        let why = told("quarantined", None, Some("by policy"));
        assert_eq!(why, (ResultKind::Failed, text("by policy")));
        let class = told("quarantined", Some("denied"), None);
        assert_eq!(class, (ResultKind::Failed, text("denied")));
        let unknown = told("quarantined", Some("quota_exceeded"), Some("403"));
        assert_eq!(unknown, (ResultKind::Failed, text("quota_exceeded: 403")));
    }

    #[test]
    fn artifacts_are_told_by_what_became_of_them() {
        let counts = ArtifactCounts {
            copied: 2,
            unfit: 1,
            ..ArtifactCounts::default()
        };
        assert_eq!(counts.to_string(), "2 copied, 1 unfit");
        let all = counts.and(ArtifactCounts {
            copied: u32::MAX,
            present: 3,
            unfit: 0,
            kept: 4,
            failed: 5,
        });
        let expected = "4294967295 copied, 3 present, 1 unfit, 4 kept, 5 failed";
        assert_eq!(all.to_string(), expected);
        assert_eq!(ArtifactCounts::default().to_string(), "none");
    }

    #[test]
    fn a_class_that_is_unknown_stands_before_the_error_and_a_known_one_does_not() {
        let error = |class| told("failed", Some(class), Some("source: 403")).1.unwrap();
        assert_eq!(error("quota_exceeded"), "quota_exceeded: source: 403");
        assert_eq!(error("denied"), "source: 403");
        let nothing = told("failed", Some("quota_exceeded"), None).1;
        assert_eq!(nothing.as_deref(), Some("quota_exceeded"));
        assert_eq!(told("pulled", Some("quota_exceeded"), None).1, None);
    }
}
