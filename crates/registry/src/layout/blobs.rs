//! The blobs of a layout. All calls on a folder block; those on a [`BlobFile`] do not.

use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use image_sync_shared::image::digest::{Digest, Hasher};
use image_sync_shared::image::manifest::Descriptor;
use tempfile::TempPath;
use tokio::io::AsyncWriteExt as _;

use super::error::LayoutError;
use super::folder::{Folder, Piece};

/// How a file is read, in bytes.
pub(crate) const READ_BUFFER: usize = 128 * 1024;

/// What came of linking a blob from another folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// The blob is in place.
    Done,
    /// The other folder does not have it.
    Absent,
    /// The file system cannot link the two.
    Impossible,
}

/// A blob that is being written. It has no name until [`commit`](Self::commit), and leaves nothing behind if dropped before.
#[derive(Debug)]
pub(crate) struct BlobFile {
    file: tokio::fs::File,
    temporary: TempPath,
    path: PathBuf,
}

impl Folder {
    /// The size of a blob in bytes, or none if it is not there.
    pub(crate) fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, LayoutError> {
        Ok(self.open_file_of(digest)?.map(|piece| piece.size))
    }

    /// Whether a blob is there with its size.
    pub(crate) fn has_blob(&self, blob: &Descriptor) -> Result<bool, LayoutError> {
        Ok(self.blob_size(&blob.digest)? == Some(blob.size))
    }

    /// Whether a blob is there and its bytes have its digest. Reads all of it.
    pub(crate) fn has_whole_blob(&self, digest: &Digest) -> Result<bool, LayoutError> {
        let Some(piece) = self.open_file_of(digest)? else {
            return Ok(false);
        };
        Ok(hash(piece, &self.blob_path(digest), digest)? == *digest)
    }

    /// Opens a blob that must be there with its size.
    pub(crate) fn open_blob(&self, blob: &Descriptor) -> Result<Piece, LayoutError> {
        match self.open_file_of(&blob.digest)? {
            None => Err(self.no_blob(&blob.digest)),
            Some(piece) if piece.size != blob.size => {
                let path = self.blob_path(&blob.digest);
                Err(wrong_size(&path, piece.size, blob.size))
            }
            Some(piece) => Ok(piece),
        }
    }

    /// Whether it is counted on that the other side has a blob, so that it need not be here.
    pub(crate) fn counts_on(&self, digest: &Digest) -> bool {
        self.known()
            .is_some_and(|known| known.blobs.contains(digest))
    }

    /// Begins to write a blob.
    pub(crate) fn create_blob(&self, digest: &Digest) -> Result<BlobFile, LayoutError> {
        self.prepare()?;
        self.make_blob_folder(digest)?;
        let (file, temporary) = self.temporary_file()?.into_parts();
        Ok(BlobFile {
            file: tokio::fs::File::from_std(file),
            temporary,
            path: self.blob_path(digest),
        })
    }

    /// Writes a small blob, unless it is there and whole.
    pub(super) fn write_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<(), LayoutError> {
        let path = self.blob_path(digest);
        if self.blob_size(digest)? == Some(bytes.len() as u64) && self.has_whole_blob(digest)? {
            return Ok(());
        }
        self.make_blob_folder(digest)?;
        let (mut file, temporary) = self.temporary_file()?.into_parts();
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(LayoutError::io(&path))?;
        // Its name is not synced: that is done before a tag leads to it (`sync_blob_folders`).
        Self::persist(temporary, &path)
    }

    /// Gives this folder a blob of `other` by a hard link.
    pub(crate) fn link_blob(&self, other: &Self, blob: &Descriptor) -> Result<Link, LayoutError> {
        other.refuse_link()?;
        if !other.has_blob(blob)? {
            return Ok(Link::Absent);
        }
        self.prepare()?;
        let path = self.blob_path(&blob.digest);
        self.make_blob_folder(&blob.digest)?;
        match fs::hard_link(other.blob_path(&blob.digest), &path) {
            Ok(()) => Ok(Link::Done),
            // What is there by this name may be broken: then it is written anew, which a link cannot do.
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists
                    && self.has_blob(blob)?
                    && self.has_whole_blob(&blob.digest)? =>
            {
                Ok(Link::Done)
            }
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "the blob is copied, not linked");
                Ok(Link::Impossible)
            }
        }
    }

    /// Whether a blob is there, as far as a manifest may rely on it. One of the wrong size is hashed, and removed if it
    /// is broken, so that the next try brings it again.
    pub(super) fn check_blob(&self, blob: &Descriptor) -> Result<(), LayoutError> {
        let path = self.blob_path(&blob.digest);
        match self.open_file_of(&blob.digest)? {
            Some(piece) if piece.size == blob.size => Ok(()),
            None if self.counts_on(&blob.digest) => Ok(()),
            None => Err(LayoutError::Refused(format!(
                "the manifest refers to {}, which {} does not have",
                blob.digest,
                self.root().display()
            ))),
            Some(piece) => {
                let size = piece.size;
                if hash(piece, &path, &blob.digest)? == blob.digest {
                    return Err(LayoutError::Refused(format!(
                        "the manifest says that {} has {} bytes, but it has {size}",
                        blob.digest, blob.size
                    )));
                }
                fs::remove_file(&path).map_err(LayoutError::io(&path))?;
                Err(wrong_size(&path, size, blob.size))
            }
        }
    }
}

impl BlobFile {
    /// Appends `bytes`.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), LayoutError> {
        self.file
            .write_all(bytes)
            .await
            .map_err(LayoutError::io(&self.path))
    }

    /// Gives the blob its name, after its bytes are safe on the disk. The caller has verified them.
    pub(crate) async fn commit(self) -> Result<(), LayoutError> {
        let Self {
            mut file,
            temporary,
            path,
        } = self;
        let synced = async {
            file.flush().await?;
            file.sync_all().await
        };
        synced.await.map_err(LayoutError::io(&path))?;
        // The open file keeps its lock until the temporary name is gone.
        let committed = tokio::task::spawn_blocking(move || {
            let result = Folder::persist(temporary, &path);
            drop(file);
            result
        });
        committed.await.unwrap_or_else(|error| {
            Err(LayoutError::Refused(format!(
                "the blob was not named: {error}"
            )))
        })
    }
}

fn wrong_size(path: &Path, found: u64, expected: u64) -> LayoutError {
    LayoutError::Mismatch {
        path: path.to_owned(),
        found: format!("{found} bytes"),
        expected: expected.to_string(),
    }
}

fn hash(piece: Piece, path: &Path, expected: &Digest) -> Result<Digest, LayoutError> {
    let hash = || -> io::Result<Digest> {
        let mut bytes = piece.bytes()?;
        let mut hasher = Hasher::new(expected.algorithm());
        let mut buffer = vec![0; READ_BUFFER];
        loop {
            match bytes.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                read => hasher.update(&buffer[..read]),
            }
        }
    };
    hash().map_err(LayoutError::io(path))
}
