//! The run report: the seed's fields and more.

pub mod schema;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::run::outcome::{ImageResult, ResultKind, is_zero};
use crate::run::{RunId, Trigger};
use crate::text;
use crate::text::UnknownWord;
use crate::text::word::words;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// Every image has a result.
    Complete,
    /// The deadline passed, or a signal came, before every image had one.
    Incomplete,
    /// The producer died before all jobs were published.
    Abandoned,
    /// Somebody cancelled it before every image had one.
    Cancelled,
    /// What an aggregator of another version calls so.
    Other(UnknownWord),
}

words!(RunStatus {
    Complete = "complete",
    Incomplete = "incomplete",
    Abandoned = "abandoned",
    Cancelled = "cancelled",
});

/// Counts of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Copied.
    pub pulled: u32,
    /// Equal already.
    pub already_cached: u32,
    /// Left alone, in a dry run.
    pub skipped: u32,
    /// Left as they are, as their policy says.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kept: u32,
    /// Failed.
    pub failed: u32,
    /// Done in a way that this version has no word for, as by a worker of another one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other: u32,
    /// Without a result.
    #[serde(default)]
    pub missing: u32,
    /// All images of the run, those without a result included.
    pub total: u32,
}

impl Summary {
    /// Counts one result. `total` and `missing` are not touched: they are what the run expects, not what arrived.
    pub fn count(&mut self, kind: ResultKind) {
        match kind {
            ResultKind::Pulled => self.pulled += 1,
            ResultKind::AlreadyCached => self.already_cached += 1,
            ResultKind::Skipped => self.skipped += 1,
            ResultKind::Kept => self.kept += 1,
            ResultKind::Failed => self.failed += 1,
            ResultKind::Other => self.other += 1,
        }
    }

    /// How many results were counted.
    #[must_use]
    pub fn results(&self) -> u32 {
        self.pulled + self.already_cached + self.skipped + self.kept + self.failed + self.other
    }
}

/// The version of the fields of a report, as `deploy/report.schema.json` has them. It grows when a field is renamed or goes, and
/// not when one comes.
pub const SCHEMA_VERSION: u32 = 1;
/// The version of this program.
pub const PROGRAM_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What stands in a report before its results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportHead {
    /// The version of its fields. A report of a version that did not tell has 0.
    #[serde(default)]
    pub schema_version: u32,
    /// The version of the program that made it. Empty where it did not tell.
    #[serde(default, with = "text::field")]
    pub program_version: String,
    /// When the report was made.
    #[serde(with = "text::timestamp")]
    pub timestamp: OffsetDateTime,
    /// The catalog's target.
    #[serde(with = "text::field")]
    pub cache_registry: String,
    /// The run.
    pub run_id: RunId,
    /// What set it off.
    pub trigger: Trigger,
    /// How it ended.
    pub status: RunStatus,
    /// Whether nothing was to be written.
    #[serde(default)]
    pub dry_run: bool,
    /// When it started.
    #[serde(with = "text::timestamp")]
    pub started_at: OffsetDateTime,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Bytes of blobs that were sent to the target.
    pub bytes_copied: u64,
    /// Counts of images.
    pub summary: Summary,
    /// How many entries the report lacks, as it would not have fitted into the store of reports. None if it is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
}

/// Entries that a report lacks: how many of the results of each action, and of the images without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeftOut {
    /// Results of images that were up to date.
    pub already_cached: u32,
    /// Results of images that were copied.
    pub pulled: u32,
    /// Results of images that were left alone.
    pub skipped: u32,
    /// Results of images that were left as they are, as their policy says.
    #[serde(skip_serializing_if = "is_zero")]
    pub kept: u32,
    /// Results of images that failed.
    pub failed: u32,
    /// Results of images that are done in a way that this version has no word for.
    #[serde(skip_serializing_if = "is_zero")]
    pub other: u32,
    /// Images without a result.
    pub missing: u32,
}

/// How much of a report is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    #[default]
    Whole,
    /// All but the results of images that were up to date.
    WithoutUpToDate,
    /// What went wrong: the results of images that failed, and those without a result.
    Troubles,
    /// Its counts.
    Counts,
}

impl Extent {
    /// All there are, the largest first.
    pub const ALL: [Self; 4] = [
        Self::Whole,
        Self::WithoutUpToDate,
        Self::Troubles,
        Self::Counts,
    ];

    /// Whether it has the results of this kind.
    #[must_use]
    pub fn has(self, kind: ResultKind) -> bool {
        match self {
            Self::Whole => true,
            Self::WithoutUpToDate => kind != ResultKind::AlreadyCached,
            Self::Troubles => kind == ResultKind::Failed,
            Self::Counts => false,
        }
    }

    /// Whether it has the images without a result.
    #[must_use]
    pub fn has_missing(self) -> bool {
        self != Self::Counts
    }

    /// What a report of this extent lacks, if it lacks anything.
    #[must_use]
    pub fn left_out(self, summary: &Summary) -> Option<LeftOut> {
        let unless = |has: bool, count: u32| if has { 0 } else { count };
        let lacks = |kind: ResultKind, count: u32| unless(self.has(kind), count);
        let left_out = LeftOut {
            already_cached: lacks(ResultKind::AlreadyCached, summary.already_cached),
            pulled: lacks(ResultKind::Pulled, summary.pulled),
            skipped: lacks(ResultKind::Skipped, summary.skipped),
            kept: lacks(ResultKind::Kept, summary.kept),
            failed: lacks(ResultKind::Failed, summary.failed),
            other: lacks(ResultKind::Other, summary.other),
            missing: unless(self.has_missing(), summary.missing),
        };
        (left_out != LeftOut::default()).then_some(left_out)
    }
}

/// An image that has no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingImage {
    /// The image as the config names it.
    #[serde(with = "text::field")]
    pub image: String,
    /// Its tag as the config names it.
    #[serde(with = "text::field")]
    pub tag: String,
    /// Where it goes to.
    #[serde(with = "text::field")]
    pub target: String,
    /// How many attempts have failed.
    #[serde(default)]
    pub attempts: u32,
    /// Bytes of blobs that all attempts sent to the target.
    #[serde(default)]
    pub bytes_copied: u64,
    /// What the last one said, or why the image was put back; none where it was never begun, or was in hand.
    #[serde(
        default,
        with = "text::optional_field",
        skip_serializing_if = "Option::is_none"
    )]
    pub error: Option<String>,
}

/// A whole report. Large ones are written piece by piece and never held like this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// All but the lists.
    #[serde(flatten)]
    pub head: ReportHead,
    /// One entry per image that has a result, in the order of the catalog.
    pub results: Vec<ImageResult>,
    /// The images that have none.
    #[serde(default)]
    pub missing: Vec<MissingImage>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_lacks_entries_says_how_many() {
        let summary = Summary {
            pulled: 2,
            already_cached: 100,
            skipped: 3,
            failed: 4,
            kept: 1,
            other: 1,
            missing: 5,
            total: 116,
        };
        let lacks = |extent: Extent| extent.left_out(&summary);
        let less = LeftOut {
            already_cached: 100,
            ..LeftOut::default()
        };
        let troubles = LeftOut {
            pulled: 2,
            skipped: 3,
            kept: 1,
            other: 1,
            ..less
        };
        let counts = LeftOut {
            failed: 4,
            missing: 5,
            ..troubles
        };
        let expected = [None, Some(less), Some(troubles), Some(counts)];
        assert_eq!(Extent::ALL.map(lacks), expected);
        assert_eq!(Extent::Counts.left_out(&Summary::default()), None);
    }
}
