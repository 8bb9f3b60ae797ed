//! Where the report of a run goes.

pub(crate) mod copied_images;
mod report_file;

use std::io::{self, BufReader, IsTerminal as _, Write};

use console::Term;
use image_sync_aggregator::aggregate::{FinishedRun, lines};
use image_sync_aggregator::image_states::Meant;
use image_sync_shared::ports::runs::reports::StoredReport;
use image_sync_shared::run::report::Report;
use image_sync_shared::text::JsonWriter;

use crate::options::{Output, OutputArgs, ReportFormat, TableArgs};
use crate::process::environment::Environment;
use crate::process::exit::Problem;
use crate::process::stdout::Stdout;
use crate::terminal::progress::Screen;
use crate::terminal::report_table::{self, Extent};
use crate::terminal::table::Canvas;
use copied_images::CopiedImages;
use report_file::ReportFile;

/// How what was asked for looks on stdout.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Json,
    Table(Canvas),
}

/// How a report looks on stdout.
#[derive(Clone, Copy, Debug)]
enum ReportShape {
    Json,
    Lines,
    Table(Canvas),
}

/// The places that get the report.
pub(crate) struct Outputs {
    shape: ReportShape,
    extent: Extent,
    file: Option<ReportFile>,
    copied: Option<CopiedImages>,
    screen: Screen,
    stdout: Stdout,
}

impl Outputs {
    /// Finds out what is asked for, and whether it can be written.
    pub(crate) fn prepare(
        args: &OutputArgs,
        table: TableArgs,
        environment: &Environment,
        screen: &Screen,
        stdout: Stdout,
    ) -> Result<Self, Problem> {
        let file = args.report.as_deref().map(ReportFile::prepare).transpose();
        Ok(Self {
            shape: report_shape(args.output.unwrap_or_default(), environment.no_color),
            extent: table.extent(),
            file: file.map_err(Problem::usage)?,
            copied: None,
            screen: screen.clone(),
            stdout,
        })
    }

    /// The same, to the stdout of this process.
    pub(crate) fn of_process(
        args: &OutputArgs,
        table: TableArgs,
        environment: &Environment,
        screen: &Screen,
    ) -> Result<Self, Problem> {
        Self::prepare(args, table, environment, screen, Stdout::Process)
    }

    /// The screen that they are written beside.
    pub(crate) fn screen(&self) -> &Screen {
        &self.screen
    }

    /// The same, and a file for the images that were copied.
    pub(crate) fn with_copied(self, copied: Option<CopiedImages>) -> Self {
        Self { copied, ..self }
    }

    /// Writes a report that is stored as JSON to all of them. Blocks. A table of it needs all of it in memory.
    pub(crate) fn write_stored(&self, stored: &mut dyn StoredReport) -> Result<(), Problem> {
        let mut copy = |out: &mut dyn Write| {
            io::copy(&mut stored.text()?, &mut JsonWriter::new(out)).map(drop)
        };
        let to_file = match &self.file {
            Some(file) => file.write(|out| copy(out)),
            None => Ok(()),
        };
        to_file.map_err(Problem::not_carried_out)?;
        let to_stdout = match self.shape {
            ReportShape::Json => self.stdout.write(|out| copy(out)),
            ReportShape::Lines => {
                let report = read(stored)?;
                self.stdout.write(|out| write_lines(&report, out))
            }
            ReportShape::Table(canvas) => {
                let mut report = read(stored)?;
                self.stdout
                    .write(|out| report_table::write(&mut report, canvas, self.extent, out))
            }
        };
        to_stdout.map_err(Problem::not_carried_out)
    }

    /// Writes what a stored report says of the images that are meant, which are held in memory. Blocks.
    pub(crate) fn write_some(
        &self,
        stored: &mut dyn StoredReport,
        meant: &Meant,
    ) -> Result<(), Problem> {
        let mut report = read(stored)?;
        let is_meant = |image: &str, tag: &str, target: &str| meant.is(image, tag, target);
        let results = &mut report.results;
        results.retain(|result| is_meant(&result.image, &result.tag, &result.target));
        let missing = &mut report.missing;
        missing.retain(|image| is_meant(&image.image, &image.tag, &image.target));
        let json = |out: &mut dyn Write| {
            serde_json::to_writer_pretty(JsonWriter::new(&mut *out), &report)?;
            writeln!(out)
        };
        let to_file = match &self.file {
            Some(file) => file.write(|out| json(out)),
            None => Ok(()),
        };
        to_file.map_err(Problem::not_carried_out)?;
        let to_stdout = match self.shape {
            ReportShape::Json => self.stdout.write(|out| json(out)),
            ReportShape::Lines => self.stdout.write(|out| write_lines(&report, out)),
            ReportShape::Table(canvas) => {
                // Who names images wants to see them, up to date or not.
                let extent = match self.extent {
                    Extent::Changes => Extent::All,
                    named => named,
                };
                let mut report = report.clone();
                self.stdout
                    .write(|out| report_table::write(&mut report, canvas, extent, out))
            }
        };
        to_stdout.map_err(Problem::not_carried_out)
    }

    /// Writes the report to all of them. Blocks.
    pub(crate) fn write(&self, run: &mut FinishedRun) -> Result<(), Problem> {
        // An error of the file is told last: there is no other copy of this report, so stdout gets it all the same.
        let to_file = match &self.file {
            Some(file) => file.write(|out| run.write_json(&mut JsonWriter::new(out))),
            None => Ok(()),
        };
        let of_copied = match &self.copied {
            Some(copied) => copied.write(run.results()),
            None => Ok(()),
        };
        let to_stdout = self.stdout.write(|out| match self.shape {
            ReportShape::Json => run.write_json(&mut JsonWriter::new(out)),
            ReportShape::Lines => run.write_lines(&mut JsonWriter::new(out)),
            ReportShape::Table(canvas) => report_table::write(run, canvas, self.extent, out),
        });
        if self.screen.has_display() && !matches!(self.shape, ReportShape::Table(_)) {
            // The person at the terminal does not see the report.
            let mut told = Vec::new();
            let lacking = report_table::write_failures(run, &mut told);
            lacking.map_err(Problem::not_carried_out)?;
            self.screen.write(&told).ok();
        }
        to_file.map_err(Problem::not_carried_out)?;
        of_copied?;
        to_stdout.map_err(Problem::not_carried_out)
    }
}

fn write_lines(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let (results, missing) = (report.results.iter().map(Ok), report.missing.iter().map(Ok));
    lines::write(&mut JsonWriter::new(out), &report.head, results, missing)
}

fn report_shape(format: ReportFormat, no_color: bool) -> ReportShape {
    if format == ReportFormat::Ndjson {
        return ReportShape::Lines;
    }
    match shape(format.others(), no_color) {
        Shape::Json => ReportShape::Json,
        Shape::Table(canvas) => ReportShape::Table(canvas),
    }
}

/// All of a stored report.
pub(crate) fn read(stored: &mut dyn StoredReport) -> Result<Report, Problem> {
    let text = stored.text().map_err(Problem::not_carried_out)?;
    serde_json::from_reader(BufReader::new(text)).map_err(Problem::not_carried_out)
}

/// What is asked for, if need be as a terminal suggests.
pub(crate) fn shape(output: Output, no_color: bool) -> Shape {
    let terminal = io::stdout().is_terminal();
    match (output, terminal) {
        (Output::Json, _) | (Output::Auto, false) => Shape::Json,
        (Output::Table, false) => Shape::Table(Canvas::default()),
        (Output::Auto | Output::Table, true) => Shape::Table(Canvas {
            width: Some(Term::stdout().size().1.into()),
            colour: !no_color,
        }),
    }
}
