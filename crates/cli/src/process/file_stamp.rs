//! Whether a file changed since it was looked at.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// What a file was: when it was changed last, and its length. None where there is no such file.
pub(crate) type FileStamp = Option<(SystemTime, u64)>;

/// What the file at `path` is now, or the one that a link there leads to.
pub(crate) fn stamp_of(path: &Path) -> FileStamp {
    let found = fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}
