//! Where the report goes: stdout, and a file where one is named.

use std::fs;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use console::Term;
use image_sync_shared::report::Report;
use thiserror::Error;

use crate::args::Output;
use crate::table::{self, Canvas};

/// A report that could not be written.
#[derive(Debug, Error)]
pub(crate) enum ReportError {
    /// To stdout.
    #[error("cannot write to stdout: {0}")]
    Stdout(io::Error),
    /// To the file.
    #[error("cannot write the report to {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

/// How a report looks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// JSON.
    Json,
    /// A table.
    Table(Canvas),
}

impl Shape {
    /// What `output` means for the stdout of this process.
    pub(crate) fn of_process(output: Output, no_color: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        match (output, terminal) {
            (Output::Json, _) | (Output::Auto, false) => Self::Json,
            (Output::Table, false) => Self::Table(Canvas::default()),
            (Output::Auto | Output::Table, true) => Self::Table(Canvas {
                width: Some(Term::stdout().size().1.into()),
                colour: !no_color,
            }),
        }
    }
}

/// Writes the report to stdout.
pub(crate) fn to_stdout(report: &Report, shape: Shape) -> Result<(), ReportError> {
    with_stdout(|out| match shape {
        Shape::Json => json(report, out),
        Shape::Table(canvas) => out.write_all(table::render(report, canvas).as_bytes()),
    })
}

/// Writes a text to stdout.
pub(crate) fn print(text: &[u8]) -> Result<(), ReportError> {
    with_stdout(|out| out.write_all(text))
}

/// A reader that went away, as `head` does, is no error: it has what it wants.
fn with_stdout(
    write: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> io::Result<()>,
) -> Result<(), ReportError> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(ReportError::Stdout),
    }
}

fn json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// A file for the report.
#[derive(Debug)]
pub(crate) struct ReportFile {
    path: PathBuf,
    /// Where it is written before it gets its name; none for a device or pipe, which is written as it is.
    folder: Option<PathBuf>,
}

impl ReportFile {
    /// Sees to it that the file can be written, so that a run is not started in vain.
    pub(crate) fn prepare(path: &Path) -> Result<Self, ReportError> {
        Self::try_prepare(path).map_err(|reason| failed(path, reason))
    }

    fn try_prepare(path: &Path) -> io::Result<Self> {
        // A link stays a link: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(found) if !found.is_file() => return Ok(Self { path, folder: None }),
            Ok(_) | Err(_) => (),
        }
        let folder = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        tempfile::tempfile_in(&folder)?;
        let folder = Some(folder);
        Ok(Self { path, folder })
    }

    /// Writes the report. Who looks at the file meanwhile sees the former one, or none.
    pub(crate) fn write(&self, report: &Report) -> Result<(), ReportError> {
        self.try_write(report)
            .map_err(|reason| failed(&self.path, reason))
    }

    fn try_write(&self, report: &Report) -> io::Result<()> {
        let Some(folder) = &self.folder else {
            let device = fs::OpenOptions::new().write(true).open(&self.path)?;
            return json_file(report, &device);
        };
        let file = new_file(folder)?;
        json_file(report, file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

fn json_file(report: &Report, file: &fs::File) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    json(report, &mut out)?;
    out.flush()
}

/// A file that others may read as far as the umask lets them: a report is not a secret.
fn new_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".image-sync-report-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

fn failed(path: &Path, reason: io::Error) -> ReportError {
    ReportError::File {
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn the_file_holds_the_report_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        fs::write(&path, "a former report, longer than nothing").unwrap();
        let report = samples::report();
        ReportFile::prepare(&path).unwrap().write(&report).unwrap();
        let written: Report = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(written, report);
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn preparing_leaves_a_former_report_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        fs::write(&path, "former").unwrap();
        ReportFile::prepare(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "former");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "former").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        ReportFile::prepare(&link)
            .unwrap()
            .write(&samples::report())
            .unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&file).unwrap().starts_with('{'));
    }

    #[test]
    fn a_device_is_written_and_not_replaced() {
        ReportFile::prepare(Path::new("/dev/null"))
            .unwrap()
            .write(&samples::report())
            .unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_found_out_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/such/folder/report.json");
        let error = ReportFile::prepare(&missing).unwrap_err().to_string();
        assert!(
            error.contains("no/such/folder/report.json: No such file"),
            "{error}"
        );
        let error = ReportFile::prepare(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("is a directory"), "{error}");
    }

    #[test]
    fn the_json_has_the_fields_of_the_first_release_in_their_place() {
        let mut out = Vec::new();
        json(&samples::report(), &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["timestamp"], "2026-11-20T12:00:02Z");
        assert_eq!(value["cache_registry"], "localhost:5000");
        assert_eq!(value["summary"]["already_cached"], 1);
        assert_eq!(value["results"][0]["action"], "pulled");
        assert_eq!(value["results"][0]["error"], serde_json::Value::Null);
    }
}
