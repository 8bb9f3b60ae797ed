//! One folder with an OCI image layout (OCI image spec, image-layout.md).
//!
//! Beside what the standard names, a folder that was written to has `.image-sync` with the lock and with files that are
//! being written. All calls block.

mod packed;
mod state;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::Reference;
use serde::Deserialize;
use tempfile::NamedTempFile;

use super::error::LayoutError;
use super::index::Index;
use super::lock::Lock;
use super::plain;

pub(super) use packed::Packed;
pub use state::ArchiveState;
pub(super) use state::{KnownImage, KnownReferrer, RepositoryState};

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
    /// Of which of its repositories it is taken for; none where it has one alone.
    part: Option<Part>,
}

/// One repository of a layout that has those of many: its tags stand there under full names, as in `library/nginx:1.27`.
#[derive(Clone, Debug)]
struct Part {
    repository: Arc<str>,
    archive: Arc<ArchiveFiles>,
}

/// What all repositories of an archive share.
#[derive(Debug, Default)]
pub(super) struct ArchiveFiles {
    /// Its files, where they are packed into one.
    pub(super) packed: Option<Packed>,
    /// What is counted on although it is not there: while it is written, what the other side has got before; while it is read,
    /// what it and those before it have brought.
    pub(super) known: ArchiveState,
    /// The registry, and what stands before names there, by which containerd is to know the images.
    pub(super) registry: Option<String>,
}

/// A file, be it packed with others.
#[derive(Debug)]
pub(crate) struct Piece {
    /// What it is in.
    pub(crate) file: File,
    /// Where it begins there.
    pub(crate) offset: u64,
    /// How long it is.
    pub(crate) size: u64,
}

impl Piece {
    /// Its bytes, from its beginning.
    pub(super) fn bytes(mut self) -> io::Result<impl Read> {
        self.file.seek(SeekFrom::Start(self.offset))?;
        Ok(self.file.take(self.size))
    }
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
            part: None,
        }
    }

    /// A repository of an archive.
    pub(super) fn of_archive(root: &Path, repository: &str, archive: &Arc<ArchiveFiles>) -> Self {
        Self {
            root: root.to_owned(),
            part: Some(Part {
                repository: repository.into(),
                archive: Arc::clone(archive),
            }),
        }
    }

    /// Whether it has other repositories too.
    pub(super) fn is_archive(&self) -> bool {
        self.part.is_some()
    }

    /// How its tag or digest is called in `index.json`.
    pub(super) fn name_of(&self, reference: &Reference) -> String {
        match (&self.part, reference) {
            (None, reference) => reference.to_string(),
            (Some(part), Reference::Tag(tag)) => format!("{}:{tag}", part.repository),
            (Some(part), Reference::Digest(digest)) => format!("{}@{digest}", part.repository),
        }
    }

    /// The tags that `index` has of it.
    pub(super) fn tags(&self, index: &Index) -> Vec<String> {
        let Some(part) = &self.part else {
            return index.tags();
        };
        index.rests_of_names(&format!("{}:", part.repository))
    }

    /// The digests of images that have no tag. In an archive these belong to others.
    pub(super) fn nameless(&self, index: &Index) -> Vec<String> {
        match self.part {
            Some(_) => Vec::new(),
            None => index.nameless(),
        }
    }

    /// How containerd is to call what is `name` here.
    pub(super) fn full_name_of(&self, name: &str) -> Option<String> {
        let registry = self.part.as_ref()?.archive.registry.as_ref()?;
        Some(format!("{registry}/{name}"))
    }

    /// What is counted on of this repository although it is not there.
    pub(super) fn known(&self) -> Option<&RepositoryState> {
        let part = self.part.as_ref()?;
        part.archive.known.of(&part.repository)
    }

    /// The text of an index that is counted on.
    pub(super) fn known_index(&self, digest: &Digest) -> Option<&str> {
        let part = self.part.as_ref()?;
        let text = part.archive.known.indexes.get(digest);
        text.map(String::as_str)
    }

    /// Says that a blob is not there.
    pub(super) fn no_blob(&self, digest: &Digest) -> LayoutError {
        let (path, digest) = (self.root.clone(), digest.clone());
        let part = self.part.as_ref();
        match part.and_then(|part| part.archive.known.since.clone()) {
            Some(since) => LayoutError::LeftOut {
                path,
                digest,
                since,
            },
            None => LayoutError::NoBlob { path, digest },
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

    /// Opens a blob; none if it is not there.
    pub(super) fn open_file_of(&self, digest: &Digest) -> Result<Option<Piece>, LayoutError> {
        self.open(&blob_inside(digest))
    }

    /// The bytes of a blob of at most `limit` bytes; none if it is not there.
    pub(super) fn read_file_of(
        &self,
        digest: &Digest,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, LayoutError> {
        self.read(&blob_inside(digest), limit)
    }

    /// The content of a file of the layout of at most `limit` bytes; none if it is not there.
    pub(super) fn read(&self, inside: &Path, limit: usize) -> Result<Option<Vec<u8>>, LayoutError> {
        let Some(piece) = self.open(inside)? else {
            return Ok(None);
        };
        let (path, size) = (self.root.join(inside), piece.size);
        // A file may grow meanwhile, so that more than its size is read where it is one of its own.
        let whole = match &self.part {
            Some(part) if part.archive.packed.is_some() => size,
            _ => u64::MAX,
        };
        let piece = Piece {
            size: whole,
            ..piece
        };
        let bytes = piece.bytes().map_err(LayoutError::io(&path))?;
        plain::read(bytes, size, limit, &path).map(Some)
    }

    fn open(&self, inside: &Path) -> Result<Option<Piece>, LayoutError> {
        let packed = self.part.as_ref().and_then(|of| of.archive.packed.as_ref());
        if let Some(packed) = packed {
            return packed.piece(inside);
        }
        let opened = plain::open(&self.root, inside)?;
        Ok(opened.map(|(file, size)| Piece {
            file,
            offset: 0,
            size,
        }))
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
        if self.open(Path::new(INDEX))?.is_some() {
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

    /// Puts a whole file in the place of the one there, at once.
    pub(super) fn replace(&self, path: &Path, content: &[u8]) -> Result<(), LayoutError> {
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
        let bytes = self.read(Path::new(INDEX), MAX_INDEX_BYTES)?;
        let bytes =
            bytes.ok_or_else(|| LayoutError::io(&path)(io::Error::from(ErrorKind::NotFound)))?;
        Index::parse(&bytes).map_err(|reason| LayoutError::Malformed { path, reason })
    }

    fn check_marker(&self) -> Result<(), LayoutError> {
        let path = self.root.join(MARKER);
        let bytes = self.read(Path::new(MARKER), MAX_MARKER_BYTES)?;
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
