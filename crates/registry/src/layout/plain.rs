//! Opens what is in a layout, if it is what a layout consists of: files and folders. No link is followed below the layout's
//! own folder, and nothing else is opened: a FIFO would never answer, a device never end.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::error::LayoutError;

/// How a folder is opened. The one that the user names may be a link, those in it may not.
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// How a file is opened.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The file at `inside`, a path in the folder `root`, and its size in bytes; none if it is not there.
pub(super) fn open(root: &Path, inside: &Path) -> Result<Option<(File, u64)>, LayoutError> {
    let path = root.join(inside);
    let Some(folder) = parent_of(root, inside)? else {
        return Ok(None);
    };
    let Some(name) = inside.file_name() else {
        return Err(special(&path, "no name", "a regular file"));
    };
    let Some(kind) = kind_of(&folder, Path::new(name), &path)? else {
        return Ok(None);
    };
    refuse_all_but(FileType::RegularFile, kind, &path)?;
    let opened = rustix::fs::openat(&folder, name, FILE, Mode::empty());
    let file = match opened {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(LayoutError::io(&path)(error.into())),
    };
    let metadata = file.metadata().map_err(LayoutError::io(&path))?;
    // It may be another one by now than the one that was looked at.
    if !metadata.is_file() {
        return Err(special(&path, "something else", "a regular file"));
    }
    Ok(Some((file, metadata.len())))
}

/// The file that the user names, be it a link.
pub(super) fn open_named(path: &Path) -> Result<(File, u64), LayoutError> {
    let file = File::open(path).map_err(LayoutError::io(path))?;
    let metadata = file.metadata().map_err(LayoutError::io(path))?;
    if metadata.is_file() {
        return Ok((file, metadata.len()));
    }
    let found = name_of_std(metadata.file_type());
    Err(special(path, found, "a regular file"))
}

/// The content of a file of `size` bytes, and `limit` at most.
pub(super) fn read(
    file: impl Read,
    size: u64,
    limit: usize,
    path: &Path,
) -> Result<Vec<u8>, LayoutError> {
    let too_long = |size: u64| LayoutError::Malformed {
        path: path.to_owned(),
        reason: format!("the file has {size} bytes, expected at most {limit}"),
    };
    if size > limit as u64 {
        return Err(too_long(size));
    }
    let mut bytes = Vec::new();
    let read = file.take(limit as u64 + 1).read_to_end(&mut bytes);
    let read = read.map_err(LayoutError::io(path))?;
    if read > limit {
        return Err(too_long(read as u64));
    }
    Ok(bytes)
}

/// Opens a file for a lock, or makes it.
pub(super) fn open_lock(path: &Path) -> Result<File, LayoutError> {
    refuse_special(path)?;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(LayoutError::io(path))
}

/// Makes the folder `inside` of `root` with those that it is in, where they are not there.
pub(super) fn make_folder(root: &Path, inside: &Path) -> Result<(), LayoutError> {
    fs::create_dir_all(root).map_err(LayoutError::io(root))?;
    let mut path = root.to_owned();
    for name in inside {
        path.push(name);
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(LayoutError::io(&path)(error)),
        }
        let found = fs::symlink_metadata(&path).map_err(LayoutError::io(&path))?;
        if !found.is_dir() {
            return Err(special(&path, name_of_std(found.file_type()), "a folder"));
        }
    }
    Ok(())
}

/// Refuses a link in the place of a folder.
pub(super) fn refuse_link(folder: &Path) -> Result<(), LayoutError> {
    match fs::symlink_metadata(folder) {
        Ok(found) if found.is_symlink() => Err(special(folder, "a symbolic link", "a folder")),
        // Whatever else is wrong is told by who needs it.
        _ => Ok(()),
    }
}

/// Refuses what is there and is no regular file.
fn refuse_special(path: &Path) -> Result<(), LayoutError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(special(
            path,
            name_of_std(found.file_type()),
            "a regular file",
        )),
        _ => Ok(()),
    }
}

/// The folder that `inside` is in; none if it is not there.
fn parent_of(root: &Path, inside: &Path) -> Result<Option<OwnedFd>, LayoutError> {
    let mut path = root.to_owned();
    let mut folder = match rustix::fs::open(root, FOLDER, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(LayoutError::io(root)(error.into())),
    };
    for name in inside.parent().into_iter().flatten() {
        path.push(name);
        let Some(kind) = kind_of(&folder, Path::new(name), &path)? else {
            return Ok(None);
        };
        refuse_all_but(FileType::Directory, kind, &path)?;
        let opened = rustix::fs::openat(&folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
        folder = opened.map_err(|error| LayoutError::io(&path)(error.into()))?;
    }
    Ok(Some(folder))
}

/// What `name` in `folder` is, without following it; none if it is not there.
fn kind_of(folder: &OwnedFd, name: &Path, path: &Path) -> Result<Option<FileType>, LayoutError> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(LayoutError::io(path)(error.into())),
    }
}

fn refuse_all_but(expected: FileType, found: FileType, path: &Path) -> Result<(), LayoutError> {
    if found == expected {
        Ok(())
    } else {
        Err(special(path, name_of(found), name_of(expected)))
    }
}

fn special(path: &Path, found: &'static str, expected: &'static str) -> LayoutError {
    LayoutError::Special {
        path: path.to_owned(),
        found,
        expected,
    }
}

fn name_of_std(kind: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    name_of(if kind.is_symlink() {
        FileType::Symlink
    } else if kind.is_dir() {
        FileType::Directory
    } else if kind.is_file() {
        FileType::RegularFile
    } else if kind.is_fifo() {
        FileType::Fifo
    } else if kind.is_socket() {
        FileType::Socket
    } else {
        FileType::CharacterDevice
    })
}

fn name_of(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "something else",
    }
}
