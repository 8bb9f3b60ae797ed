//! One `sync` of a catalog at a time, among those that have the same state folder.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::Location;
use rustix::fs::OFlags;
use tracing::warn;

/// The right to work a catalog, which ends with the process at the latest.
#[derive(Debug)]
pub(crate) struct CatalogLock {
    path: PathBuf,
    // The system lets go of what is locked when the file is closed.
    _file: File,
}

impl CatalogLock {
    /// Takes it, if need be once the process that has it lets go of it, if `waits`. None if another one has it.
    pub(crate) fn take(folder: &Path, catalog: &str, waits: bool) -> io::Result<Option<Self>> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(format!("sync-{catalog}.lock"));
        loop {
            let file = open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if waits => {
                    warn!("waiting for the end of another `sync` of the same catalog");
                    file.lock()?;
                }
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Who had it has removed the file, and a third process may have locked a new one.
            if is_at(&file, &path)? {
                return Ok(Some(Self { path, _file: file }));
            }
        }
    }
}

impl Drop for CatalogLock {
    fn drop(&mut self) {
        // While it is locked, so that nobody else's file is removed.
        fs::remove_file(&self.path).ok();
    }
}

/// What a catalog is locked under. Folders may be named from the working directory, and are other ones in another one.
pub(crate) fn name<'a>(
    catalog: &str,
    mut targets: impl Iterator<Item = &'a Location>,
    working_directory: &Path,
) -> String {
    let is_relative =
        |target: &Location| matches!(target, Location::Folder(folder) if folder.is_relative());
    if !targets.any(is_relative) {
        return catalog.to_owned();
    }
    let mut text = catalog.as_bytes().to_vec();
    text.extend_from_slice(working_directory.as_os_str().as_bytes());
    Digest::of(&text).hex().to_owned()
}

fn open(path: &Path) -> io::Result<File> {
    #[expect(
        clippy::cast_possible_wrap,
        reason = "bits, which the system takes as a signed number"
    )]
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    options.custom_flags(flags).open(path)
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match path.symlink_metadata() {
        Ok(there) => Ok((own.dev(), own.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_catalog_is_locked_once_in_a_folder_and_leaves_no_file() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        let take = |folder: &Path, catalog| CatalogLock::take(folder, catalog, false).unwrap();
        let held = take(&folder, "a").unwrap();
        assert!(take(&folder, "a").is_none());
        assert!(take(&folder, "b").is_some(), "another catalog");
        assert!(take(home.path(), "a").is_some(), "another folder");
        drop(held);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        assert!(take(&folder, "a").is_some());
    }

    #[test]
    fn a_folder_that_is_named_from_the_working_directory_is_another_one_elsewhere() {
        let name = |targets: &[&str], here: &str| {
            let targets: Vec<Location> = targets.iter().map(|it| it.parse().unwrap()).collect();
            name("0a", targets.iter(), Path::new(here))
        };
        for targets in [&["oci:./cache"][..], &["a.test", "oci:cache"]] {
            assert_ne!(name(targets, "/a"), name(targets, "/b"), "{targets:?}");
            assert_eq!(name(targets, "/a"), name(targets, "/a"), "{targets:?}");
        }
        let everywhere = ["a.test:5000", "oci:/srv/cache"];
        assert_eq!(name(&everywhere, "/a"), "0a");
        assert_eq!(name(&everywhere, "/b"), "0a");
    }

    #[test]
    fn of_many_that_wait_one_at_a_time_has_it() {
        let home = tempfile::tempdir().unwrap();
        let alone = home.path().join("alone");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let held = CatalogLock::take(home.path(), "a", true).unwrap();
                        // Fails if another one has made it, and not removed it yet.
                        File::create_new(&alone).unwrap();
                        fs::remove_file(&alone).unwrap();
                        drop(held);
                    }
                });
            }
        });
    }
}
