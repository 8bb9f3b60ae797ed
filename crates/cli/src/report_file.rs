//! A file for the report.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The file cannot be written.
#[derive(Debug, Error)]
#[error("cannot write the report to {}: {reason}", path.display())]
pub(crate) struct FileError {
    path: PathBuf,
    reason: io::Error,
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
    pub(crate) fn prepare(path: &Path) -> Result<Self, FileError> {
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

    /// Writes the report with `write`. Who looks at the file meanwhile sees the former one, or none.
    pub(crate) fn write(
        &self,
        write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
    ) -> Result<(), FileError> {
        self.try_write(write)
            .map_err(|reason| failed(&self.path, reason))
    }

    fn try_write(
        &self,
        write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
    ) -> io::Result<()> {
        let buffered = |file: &File| {
            let mut out = BufWriter::new(file);
            write(&mut out)?;
            out.flush()
        };
        let Some(folder) = &self.folder else {
            return buffered(&File::options().write(true).open(&self.path)?);
        };
        let file = new_file(folder)?;
        buffered(file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

/// A file that others may read as far as the umask lets them: a report is not a secret.
fn new_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".image-sync-report-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

fn failed(path: &Path, reason: io::Error) -> FileError {
    FileError {
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn put(file: &ReportFile, text: &str) {
        file.write(|out| out.write_all(text.as_bytes())).unwrap();
    }

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
        put(&ReportFile::prepare(&path).unwrap(), "new");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
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
        put(&ReportFile::prepare(&link).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn a_pipe_is_written_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let file = ReportFile::prepare(&pipe).unwrap();
        // Held open for reading too, so that neither end waits for the other.
        let mut held = File::options().read(true).write(true).open(&pipe).unwrap();
        put(&file, "new");
        let mut read = [0; 3];
        held.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"new");
        assert!(!fs::metadata(&pipe).unwrap().is_file());
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
}
