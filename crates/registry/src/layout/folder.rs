//! One folder with an OCI image layout (OCI image spec, image-layout.md).
//!
//! Beside what the standard names, a folder that was written to has `.image-sync` with the lock and with files that are
//! being written. All calls block.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use image_sync_shared::image::digest::Digest;
use serde::Deserialize;
use tempfile::NamedTempFile;

use super::error::LayoutError;
use super::index::Index;
use super::lock::Lock;
use super::plain;

const MARKER: &str = "oci-layout";
const MARKER_CONTENT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}\n";
const INDEX: &str = "index.json";
const BLOBS: &str = "blobs";
const PRIVATE: &str = ".image-sync";
const LOCK: &str = "lock";
const TEMPORARY: &str = "tmp-";
/// The largest `index.json` that is read, in bytes: some hundred thousand tags.
const MAX_INDEX_BYTES: usize = 32 * 1024 * 1024;
/// The largest `oci-layout` that is read, in bytes.
const MAX_MARKER_BYTES: usize = 64 * 1024;

/// A folder that is, or is to become, a layout.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

impl Folder {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Refuses to be a link: whoever names a folder names the one that repositories are in.
    pub(super) fn refuse_link(&self) -> Result<(), LayoutError> {
        plain::refuse_link(&self.root)
    }

    /// Where a blob is, or would be.
    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join(blob_inside(digest))
    }

    /// Opens a blob, and tells its size in bytes; none if it is not there.
    pub(super) fn open_file_of(&self, digest: &Digest) -> Result<Option<(File, u64)>, LayoutError> {
        plain::open(&self.root, &blob_inside(digest))
    }

    /// The bytes of a blob of at most `limit` bytes; none if it is not there.
    pub(super) fn read_file_of(
        &self,
        digest: &Digest,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, LayoutError> {
        plain::read(&self.root, &blob_inside(digest), limit)
    }

    /// Makes the folder of a blob.
    pub(super) fn make_blob_folder(&self, digest: &Digest) -> Result<(), LayoutError> {
        let inside = Path::new(BLOBS).join(digest.algorithm_name());
        plain::make_folder(&self.root, &inside)
    }

    /// Reads `index.json` of what must be a layout.
    pub(super) fn index(&self) -> Result<Index, LayoutError> {
        self.check_marker()?;
        self.read_index()
    }

    /// Makes the folder a layout if it is none yet. The marker comes last, so that whatever is marked is a whole layout.
    pub(super) fn prepare(&self) -> Result<(), LayoutError> {
        match self.check_marker() {
            Err(LayoutError::NoLayout { .. }) => {}
            checked => return checked,
        }
        let lock = self.lock()?;
        plain::make_folder(&self.root, Path::new(BLOBS))?;
        // Another writer may have come this far and died, or an older layout may lack its marker: what is listed stays.
        if plain::open(&self.root, Path::new(INDEX))?.is_some() {
            self.read_index()?;
        } else {
            self.replace_index(&Index::empty(), &lock)?;
        }
        self.replace(&self.root.join(MARKER), MARKER_CONTENT)
    }

    /// Keeps all other writers away from `index.json`.
    pub(super) fn lock(&self) -> Result<Lock, LayoutError> {
        Lock::exclusive(&self.private()?.join(LOCK))
    }

    /// Puts `index` in the place of the one there, at once.
    pub(super) fn replace_index(&self, index: &Index, _held: &Lock) -> Result<(), LayoutError> {
        self.replace(&self.root.join(INDEX), &index.to_bytes())
    }

    /// A file under a temporary name, which it keeps until it is whole. It is locked for as long as it is open.
    pub(super) fn temporary_file(&self) -> Result<NamedTempFile, LayoutError> {
        let private = self.private()?;
        // Between its creation and its lock the file must not look stale.
        let _no_removal = Lock::shared(&private.join(LOCK))?;
        new_temporary_file(&private).map_err(LayoutError::io(&private))
    }

    /// Removes the temporary files of writers that have died.
    pub(super) fn remove_stale(&self, _held: &Lock) -> Result<(), LayoutError> {
        let private = self.private()?;
        let entries = fs::read_dir(&private).map_err(LayoutError::io(&private))?;
        for entry in entries {
            let entry = entry.map_err(LayoutError::io(&private))?;
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                remove_if_stale(&entry.path()).map_err(LayoutError::io(&entry.path()))?;
            }
        }
        Ok(())
    }

    /// Makes the names of all blobs outlive a power cut.
    pub(super) fn sync_blob_folders(&self) -> Result<(), LayoutError> {
        let blobs = self.root.join(BLOBS);
        for algorithm in fs::read_dir(&blobs).map_err(LayoutError::io(&blobs))? {
            let algorithm = algorithm.map_err(LayoutError::io(&blobs))?;
            if algorithm.file_type().is_ok_and(|kind| kind.is_dir()) {
                sync_folder(&algorithm.path())?;
            }
        }
        Ok(())
    }

    /// Gives a whole file its name, in a folder that is there. A link of that name is replaced, not followed.
    pub(super) fn persist(file: tempfile::TempPath, path: &Path) -> Result<(), LayoutError> {
        file.persist(path)
            .map_err(|error| LayoutError::io(path)(error.error))
    }

    fn replace(&self, path: &Path, content: &[u8]) -> Result<(), LayoutError> {
        // Not by `temporary_file`, whose shared lock would wait for the exclusive one that the caller holds.
        let mut file = new_temporary_file(&self.private()?).map_err(LayoutError::io(path))?;
        file.write_all(content)
            .and_then(|()| file.as_file().sync_all())
            .map_err(LayoutError::io(path))?;
        Self::persist(file.into_temp_path(), path)?;
        sync_folder(&self.root)
    }

    fn private(&self) -> Result<PathBuf, LayoutError> {
        plain::make_folder(&self.root, Path::new(PRIVATE))?;
        Ok(self.root.join(PRIVATE))
    }

    fn read_index(&self) -> Result<Index, LayoutError> {
        let path = self.root.join(INDEX);
        let bytes = plain::read(&self.root, Path::new(INDEX), MAX_INDEX_BYTES)?;
        let bytes =
            bytes.ok_or_else(|| LayoutError::io(&path)(io::Error::from(ErrorKind::NotFound)))?;
        Index::parse(&bytes).map_err(|reason| LayoutError::Malformed { path, reason })
    }

    fn check_marker(&self) -> Result<(), LayoutError> {
        let path = self.root.join(MARKER);
        let bytes = plain::read(&self.root, Path::new(MARKER), MAX_MARKER_BYTES)?;
        let bytes = bytes.ok_or_else(|| LayoutError::NoLayout {
            path: self.root.clone(),
            is_there: self.root.exists(),
        })?;
        let malformed = |reason| LayoutError::Malformed { path, reason };
        let marker: Marker = match serde_json::from_slice(&bytes) {
            Ok(marker) => marker,
            Err(error) => return Err(malformed(error.to_string())),
        };
        if marker.image_layout_version.starts_with("1.") {
            Ok(())
        } else {
            Err(malformed(format!(
                "imageLayoutVersion {:?} is not known, expected \"1.0.0\"",
                marker.image_layout_version
            )))
        }
    }
}

fn new_temporary_file(folder: &Path) -> io::Result<NamedTempFile> {
    let file = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .make_in(folder, |path| File::create_new(path))?;
    file.as_file().lock()?;
    Ok(file)
}

/// The path of a blob inside its layout.
fn blob_inside(digest: &Digest) -> PathBuf {
    let mut inside = PathBuf::from(BLOBS);
    inside.push(digest.algorithm_name());
    inside.push(digest.hex());
    inside
}

fn remove_if_stale(path: &Path) -> io::Result<()> {
    let gone = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return gone(error),
    };
    match file.try_lock() {
        Ok(()) => fs::remove_file(path).or_else(gone),
        // Somebody writes it, or it cannot be told whether anybody does.
        Err(_) => Ok(()),
    }
}

fn sync_folder(path: &Path) -> Result<(), LayoutError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(LayoutError::io(path))
}
