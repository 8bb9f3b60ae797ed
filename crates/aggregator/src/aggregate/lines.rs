//! The report as lines of JSON: one for each result, one for each image without one, and the last one for the run.

use std::borrow::Borrow;
use std::io::{self, Write};

use image_sync_shared::run::RunId;
use image_sync_shared::run::outcome::ImageResult;
use image_sync_shared::run::report::{MissingImage, ReportHead};
use serde::Serialize;

/// A line: what it is about, and the fields that the report has for it.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Result {
        run_id: &'a RunId,
        #[serde(flatten)]
        result: &'a ImageResult,
    },
    Missing {
        run_id: &'a RunId,
        #[serde(flatten)]
        image: &'a MissingImage,
    },
    Run(&'a ReportHead),
}

/// Writes them, each as it is read.
pub fn write<R: Borrow<ImageResult>, M: Borrow<MissingImage>>(
    out: &mut impl Write,
    head: &ReportHead,
    results: impl Iterator<Item = io::Result<R>>,
    missing: impl Iterator<Item = io::Result<M>>,
) -> io::Result<()> {
    let run_id = &head.run_id;
    for result in results {
        let result = result?;
        let result = result.borrow();
        line(out, &Line::Result { run_id, result })?;
    }
    for image in missing {
        let image = image?;
        let image = image.borrow();
        line(out, &Line::Missing { run_id, image })?;
    }
    line(out, &Line::Run(head))
}

fn line(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
