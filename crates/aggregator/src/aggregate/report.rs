//! The report of a run, written piece by piece.

use std::cell::RefCell;
use std::io::{self, Write};

use image_sync_shared::run::outcome::ImageResult;
use image_sync_shared::run::report::{
    Extent, LeftOut, MissingImage, ReportHead, RunStatus, Summary,
};
use image_sync_shared::run::{RunId, RunOpened, Trigger};
use image_sync_shared::text::timestamp;
use serde::ser::{Error as _, Serialize, SerializeSeq as _, Serializer};
use time::OffsetDateTime;

use super::first_values::FirstValues;
use super::{Ending, lines};

/// A run that ended, and its report.
pub struct FinishedRun {
    /// All of the report but its lists.
    pub head: ReportHead,
    /// How the run was opened; its `config_hash` is the catalog that is to be closed.
    pub opened: RunOpened,
    /// How following it ended.
    pub ending: Ending,
    extent: Extent,
    results: FirstValues<ImageResult>,
    missing: FirstValues<MissingImage>,
}

impl FinishedRun {
    pub(super) fn new(
        head: ReportHead,
        opened: RunOpened,
        ending: Ending,
        results: FirstValues<ImageResult>,
        missing: FirstValues<MissingImage>,
    ) -> Self {
        Self {
            head,
            opened,
            ending,
            extent: Extent::Whole,
            results,
            missing,
        }
    }

    /// From now on the report has so much, and says what it lacks.
    pub fn limit_to(&mut self, extent: Extent) {
        self.extent = extent;
        self.head.left_out = extent.left_out(&self.head.summary);
    }

    /// The entries of the report, one per image that has a result, in the order of the catalog.
    pub fn results(&mut self) -> impl Iterator<Item = io::Result<ImageResult>> {
        results(&mut self.results, self.extent)
    }

    /// The images that have no result, in the order of the catalog.
    pub fn missing(&mut self) -> impl Iterator<Item = io::Result<MissingImage>> {
        missing(&mut self.missing, self.extent)
    }

    /// Writes the report as indented JSON with a newline at its end. It has the fields of
    /// [`Report`](image_sync_shared::run::report::Report); those that the first release had come in its order.
    pub fn write_json(&mut self, out: &mut impl Write) -> io::Result<()> {
        let view = ReportView {
            timestamp: self.head.timestamp,
            cache_registry: &self.head.cache_registry,
            summary: self.head.summary,
            schema_version: self.head.schema_version,
            program_version: &self.head.program_version,
            run_id: &self.head.run_id,
            trigger: self.head.trigger,
            status: self.head.status,
            dry_run: self.head.dry_run,
            started_at: self.head.started_at,
            duration_ms: self.head.duration_ms,
            bytes_copied: self.head.bytes_copied,
            left_out: self.head.left_out,
            results: List::new(results(&mut self.results, self.extent)),
            missing: List::new(missing(&mut self.missing, self.extent)),
        };
        serde_json::to_writer_pretty(&mut *out, &view)?;
        out.write_all(b"\n")
    }

    /// Writes the same as [`lines`] of JSON.
    pub fn write_lines(&mut self, out: &mut impl Write) -> io::Result<()> {
        let results = results(&mut self.results, self.extent);
        let missing = missing(&mut self.missing, self.extent);
        lines::write(out, &self.head, results, missing)
    }
}

fn results(
    results: &mut FirstValues<ImageResult>,
    extent: Extent,
) -> impl Iterator<Item = io::Result<ImageResult>> {
    let has = move |result: &io::Result<ImageResult>| {
        result
            .as_ref()
            // An error is passed on, and not taken for an entry that is left out.
            .map_or(true, |result| extent.has(result.kind()))
    };
    results.iter().filter(has)
}

fn missing(
    missing: &mut FirstValues<MissingImage>,
    extent: Extent,
) -> impl Iterator<Item = io::Result<MissingImage>> {
    missing.iter().take_while(move |_| extent.has_missing())
}

/// The fields of a report in their order.
#[derive(serde::Serialize)]
struct ReportView<'a, R, M> {
    #[serde(with = "timestamp")]
    timestamp: OffsetDateTime,
    cache_registry: &'a str,
    summary: Summary,
    schema_version: u32,
    program_version: &'a str,
    run_id: &'a RunId,
    trigger: Trigger,
    status: RunStatus,
    dry_run: bool,
    #[serde(with = "timestamp")]
    started_at: OffsetDateTime,
    duration_ms: u64,
    bytes_copied: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<LeftOut>,
    results: R,
    missing: M,
}

/// A list that is read while it is written, once.
struct List<I>(RefCell<I>);

impl<I> List<I> {
    fn new(values: I) -> Self {
        Self(RefCell::new(values))
    }
}

impl<I, T> Serialize for List<I>
where
    I: Iterator<Item = io::Result<T>>,
    T: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        for value in &mut *self.0.borrow_mut() {
            seq.serialize_element(&value.map_err(S::Error::custom)?)?;
        }
        seq.end()
    }
}
