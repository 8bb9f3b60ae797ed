//! A file for the report.
//!
//! The report is written beside it and then takes its name. So a symbolic link that stands there is replaced and never
//! written through: in a folder that others may write to, it would choose which file of ours is lost. What is no regular
//! file, as a pipe, is written as it is.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use thiserror::Error;

/// What others may do with a new report as far as the umask lets them: it is not a secret.
const MODE: u32 = 0o666;
/// Folders of the system whose links are its own: `/dev/stdout`, `/dev/fd/3` of a process substitution.
const LINKS_OF_THE_SYSTEM: [&str; 2] = ["/dev", "/proc"];

/// The file cannot be written.
#[derive(Debug, Error)]
#[error("cannot write the report to {}: {reason}{}", path.display(), advice(reason))]
pub(crate) struct FileError {
    path: PathBuf,
    reason: io::Error,
}

/// What to do, where that is known.
fn advice(reason: &io::Error) -> &'static str {
    match reason.kind() {
        io::ErrorKind::NotFound => "; its folder has to be there: make it first",
        _ => "",
    }
}

/// A file for the report.
#[derive(Debug)]
pub(crate) struct ReportFile {
    path: PathBuf,
    way: Way,
}

/// How a path is written.
#[derive(Debug)]
enum Way {
    /// A file of this folder takes its name.
    Replaced { folder: PathBuf },
    /// A pipe or device, which is written as it is.
    Special,
    /// A link of the system to what this process, or the one that started it, has opened.
    Opened,
}

impl ReportFile {
    /// Sees to it that the file can be written, so that a run is not started in vain.
    pub(crate) fn prepare(path: &Path) -> Result<Self, FileError> {
        Self::try_prepare(path).map_err(|reason| failed(path, reason))
    }

    fn try_prepare(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path).ok();
        let way = match found {
            Some(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Some(found) if found.is_symlink() && is_of_the_system(path) => Way::Opened,
            Some(found) if !found.is_file() && !found.is_symlink() => Way::Special,
            Some(_) | None => Way::Replaced {
                folder: folder_of(path)?,
            },
        };
        let path = path.to_owned();
        Ok(Self { path, way })
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
        match &self.way {
            Way::Replaced { folder } => {
                let file = new_file(folder, stricter_mode(&self.path))?;
                buffered(file.as_file())?;
                // The bytes before the name: after a power cut there is the former report or all of the new one.
                file.as_file().sync_all()?;
                file.persist(&self.path)?;
                Ok(())
            }
            Way::Special => buffered(&open_special(&self.path)?),
            // Appended, as what stdout was redirected to may hold something already.
            Way::Opened => buffered(&File::options().append(true).open(&self.path)?),
        }
    }
}

fn is_of_the_system(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    let is_below = |folder: &Path| {
        LINKS_OF_THE_SYSTEM
            .iter()
            .any(|top| folder.starts_with(top))
    };
    // What everybody may write to is not the system's alone.
    folder.is_some_and(|folder| is_below(&folder) && !folder.starts_with("/dev/shm"))
}

/// The folder of a file, once it is found that files can be made in it.
fn folder_of(path: &Path) -> io::Result<PathBuf> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    tempfile::tempfile_in(&folder)?;
    Ok(folder)
}

/// Opens what was no regular file and no link, and must still be so.
fn open_special(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).custom_flags(flags(OFlags::NOFOLLOW));
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        return Err(io::Error::other(
            "it was a pipe or device, and is a file by now",
        ));
    }
    Ok(file)
}

/// Of what is allowed to a new report, what is allowed to the one that stands there, itself or behind a link.
fn stricter_mode(path: &Path) -> u32 {
    let standing = fs::metadata(path).ok().filter(Metadata::is_file);
    standing.map_or(MODE, |found| found.permissions().mode() & MODE)
}

fn new_file(folder: &Path, mode: u32) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".image-sync-report-")
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(folder)
}

#[expect(
    clippy::cast_possible_wrap,
    reason = "bits, which the system takes as a signed number"
)]
fn flags(flags: OFlags) -> i32 {
    flags.bits() as i32
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

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_symlink_is_replaced_and_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "of somebody").unwrap();
        for target in [
            &*file,
            &folder.path().join("nothing"),
            Path::new("/dev/null"),
            &link,
        ] {
            std::os::unix::fs::symlink(target, &link).unwrap();
            put(&ReportFile::prepare(&link).unwrap(), "new");
            let found = fs::symlink_metadata(&link).unwrap();
            assert!(found.is_file(), "{}", target.display());
            assert_eq!(fs::read_to_string(&link).unwrap(), "new");
            assert_eq!(fs::read_to_string(&file).unwrap(), "of somebody");
            assert_eq!(names(folder.path()).len(), 2, "{}", target.display());
            fs::remove_file(&link).unwrap();
        }
    }

    #[test]
    fn a_symlink_that_comes_during_the_run_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (file, path) = (folder.path().join("file"), folder.path().join("report"));
        fs::write(&file, "of somebody").unwrap();
        let report = ReportFile::prepare(&path).unwrap();
        std::os::unix::fs::symlink(&file, &path).unwrap();
        put(&report, "new");
        assert_eq!(fs::read_to_string(&file).unwrap(), "of somebody");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_pipe_that_becomes_a_symlink_or_a_file_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let (file, path) = (folder.path().join("file"), folder.path().join("pipe"));
        fs::write(&file, "of somebody").unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let report = ReportFile::prepare(&path).unwrap();
        let write = || report.write(|out| out.write_all(b"new"));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&file, &path).unwrap();
        write().unwrap_err();
        fs::remove_file(&path).unwrap();
        fs::hard_link(&file, &path).unwrap();
        write().unwrap_err();
        assert_eq!(fs::read_to_string(&file).unwrap(), "of somebody");
    }

    #[test]
    fn a_mode_that_is_stricter_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let usual = folder.path().join("usual");
        put(&ReportFile::prepare(&usual).unwrap(), "new");
        for stricter in [0o600, 0o640, 0o400] {
            let path = folder.path().join("report");
            fs::write(&path, "former").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(stricter)).unwrap();
            put(&ReportFile::prepare(&path).unwrap(), "new");
            assert_eq!(mode(&path), stricter & mode(&usual), "{stricter:o}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
            fs::remove_file(&path).unwrap();
        }
        let open = folder.path().join("open");
        fs::write(&open, "former").unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        put(&ReportFile::prepare(&open).unwrap(), "new");
        assert_eq!(mode(&open), mode(&usual), "no looser than a new one");
    }

    #[test]
    fn a_link_of_the_system_leads_to_what_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("opened");
        fs::write(&path, "before, ").unwrap();
        let opened = File::options().append(true).open(&path).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&opened);
        let link = PathBuf::from(format!("/proc/self/fd/{number}"));
        put(&ReportFile::prepare(&link).unwrap(), "new");
        assert_eq!(fs::read_to_string(&path).unwrap(), "before, new");
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
