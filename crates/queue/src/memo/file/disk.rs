//! Reading, appending to and rewriting a memo's file.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{
    self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _,
};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use super::line;
use crate::memo::facts::Facts;

/// How much of a file is read: its end, as that is the youngest. No file grows like this by itself.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The mode of a new file, which tells what is copied from where, and of a folder that is made for it.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// How many lines of no use are left where they are.
const SLACK: usize = 64;

/// What a file was found to hold.
pub(super) struct LoadedFile {
    lines: usize,
    is_too_long: bool,
    ends_in_half_a_line: bool,
    permissions: Permissions,
}

impl LoadedFile {
    /// Whether the file is much longer than its `facts` need, or the next line would be glued to half of one.
    pub(super) fn is_worth_a_rewrite(&self, facts: usize) -> bool {
        self.is_too_long || self.ends_in_half_a_line || self.lines > 2 * facts + SLACK
    }
}

/// Reads the file into `facts`, later lines over earlier ones.
pub(super) fn load(path: &Path, facts: &mut Facts) -> io::Result<LoadedFile> {
    let mut file = open(path, OpenOptions::new().read(true))?;
    let metadata = file.metadata()?;
    let surplus = metadata.len().saturating_sub(MAX_BYTES);
    // The first line may lose its start by this: what is left of its key is asked for by nobody.
    file.seek(SeekFrom::Start(surplus))?;
    let mut found = LoadedFile {
        lines: 0,
        is_too_long: surplus > 0,
        ends_in_half_a_line: false,
        permissions: metadata.permissions(),
    };
    let (mut reader, mut buffer) = (BufReader::new(file.take(MAX_BYTES)), Vec::new());
    while reader.read_until(b'\n', &mut buffer)? > 0 {
        found.lines += 1;
        let whole = buffer.strip_suffix(b"\n");
        found.ends_in_half_a_line = whole.is_none();
        if let Some((key, proven)) = whole.and_then(line::read) {
            facts.replace(key, proven);
        }
        buffer.clear();
    }
    Ok(found)
}

/// Appends one line by one write. The file, and the folder it is in, are made if they are not there.
pub(super) fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(FILE_MODE);
    let mut file = match open(path, &mut options) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(Path::new("."));
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(FOLDER_MODE).create(folder)?;
            open(path, &mut options)?
        }
        opened => opened?,
    };
    file.write_all(line.as_bytes())
}

/// Opens the regular file at `path`. No link is followed, which could make another file of ours be written; nothing is
/// waited for, as a pipe would have it.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[expect(
        clippy::cast_possible_wrap,
        reason = "bits, which the system takes as a signed number"
    )]
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let opened = options.custom_flags(flags).open(path);
    let file = opened.map_err(|error| match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => io::Error::other("it is a symbolic link"),
        _ => error,
    })?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

/// Replaces the file, as it was `found`, by one that holds `facts` and nothing else, all at once. A line that another
/// process appends in this moment is lost.
pub(super) fn rewrite(path: &Path, found: LoadedFile, facts: &Facts) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Beside the file, as it cannot be renamed across file systems.
    let file = tempfile::NamedTempFile::new_in(folder)?;
    let mut writer = BufWriter::new(&file);
    for line in facts
        .iter()
        .filter_map(|(key, proven)| line::write(key, proven))
    {
        writer.write_all(line.as_bytes())?;
    }
    // Not synced: after a power cut facts are missing, which costs requests and nothing else.
    writer.flush()?;
    drop(writer);
    file.as_file().set_permissions(found.permissions)?;
    file.persist(path).map(drop).map_err(|failed| failed.error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_rewritten_when_more_than_half_of_it_is_of_no_use() {
        let found = |lines| LoadedFile {
            lines,
            is_too_long: false,
            ends_in_half_a_line: false,
            permissions: Permissions::from_mode(FILE_MODE),
        };
        assert!(!found(0).is_worth_a_rewrite(0));
        assert!(!found(SLACK).is_worth_a_rewrite(0));
        assert!(found(SLACK + 1).is_worth_a_rewrite(0));
        assert!(!found(200 + SLACK).is_worth_a_rewrite(100));
        assert!(found(201 + SLACK).is_worth_a_rewrite(100));
    }
}
