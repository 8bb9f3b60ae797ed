//! Texts from files, and which files a pattern matches.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

/// Like shells: `*` ends at a `/`, and what begins with a dot is matched by a dot alone. So the folders are left out in
/// which Kubernetes keeps the versions of a mounted config.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Reads the file at `path`, which has to be UTF-8 text. An error is what is wrong with it.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    read_all(&mut { file })
}

/// The same of a file that another one names, which has to be a regular file.
pub(super) fn read_regular(path: &Path) -> Result<String, String> {
    let kind = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if kind.is_file() || kind.is_dir() {
        read(path)
    } else {
        Err("this is no regular file".to_owned())
    }
}

pub(super) fn read_all(input: &mut dyn Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = input.read_to_end(&mut bytes);
    read.map_err(|error| unreadable(&error))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let lines = error.as_bytes()[..valid].split(|byte| *byte == b'\n');
        format!("line {} is not UTF-8 text", lines.count())
    })
}

pub(super) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "this is a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission to read this file is denied".to_owned(),
        _ => format!("this file cannot be read ({error})"),
    }
}

/// Whether `text` is a pattern and not the name of one file.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The files below `folder` that a pattern matches, in the order of their names. An error is what is wrong with the pattern
/// or a folder.
pub(super) fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let whole = if Path::new(pattern).is_absolute() || folder.as_os_str().is_empty() {
        pattern.to_owned()
    } else {
        format!("{}/{pattern}", Pattern::escape(&folder.to_string_lossy()))
    };
    let found = glob::glob_with(&whole, OPTIONS)
        .map_err(|error| format!("this is no pattern: {}", error.msg))?;
    let files = found.filter(|path| path.as_ref().map_or(true, |path| !path.is_dir()));
    files
        .map(|path| {
            path.map_err(|error| {
                format!("{}: {}", error.path().display(), unreadable(error.error()))
            })
        })
        .collect()
}
