//! An archive: one layout with the images of many repositories under their full names, in a folder or packed into one tar file.
//! Other tools read it as any layout. A file beside `index.json` says what it has, for the next one that has only what came since.

mod contents;
mod pack;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::{Location, Reference, Repository};
use image_sync_shared::run::job::Remote;
use thiserror::Error;

use super::error::LayoutError;
use super::folder::{ArchiveFiles, ArchiveState, Folder, Packed};
use super::{Layout, index::Index};

const STATE: &str = "image-sync.json";
/// The largest file of a state that is read, in bytes: some hundred thousand images.
const MAX_STATE_BYTES: usize = 256 * 1024 * 1024;

/// What is wrong with an archive: one sentence.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ArchiveError(String);

impl From<LayoutError> for ArchiveError {
    fn from(error: LayoutError) -> Self {
        Self(error.to_string())
    }
}

/// An archive that is written or read.
#[derive(Clone, Debug)]
pub struct Archive {
    /// What it is called: its repositories are folders in it.
    place: PathBuf,
    /// Where it is.
    root: PathBuf,
    files: Arc<ArchiveFiles>,
}

/// The folders of a process: each is a layout of its own, but those of an archive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folders(Option<Archive>);

impl Folders {
    pub(crate) fn with_archive(archive: Archive) -> Self {
        Self(Some(archive))
    }

    /// The repository that is called `path`.
    pub(crate) fn layout(&self, at: &Remote, path: &Path) -> Layout {
        let inside = self.0.as_ref().and_then(|archive| {
            let inside = path.strip_prefix(&archive.place).ok()?;
            let name = inside.to_str().filter(|name| !name.is_empty())?;
            Some(archive.folder(name))
        });
        match inside {
            Some(folder) => Layout {
                side: at.side,
                folder,
            },
            None => Layout::new(at, path),
        }
    }
}

impl Archive {
    /// One that is to be written to the folder `root`, and is called `place`. It has only what is not known `since` another one.
    /// `registry` is what stands before the names by which containerd is to know the images.
    #[must_use]
    pub fn to_write(
        place: &Path,
        root: &Path,
        since: Option<(String, ArchiveState)>,
        registry: Option<String>,
    ) -> Self {
        let known = since.map(|(name, mut state)| {
            state.since = Some(name);
            state
        });
        Self {
            place: place.to_owned(),
            root: root.to_owned(),
            files: Arc::new(ArchiveFiles {
                packed: None,
                known: known.unwrap_or_default(),
                registry,
            }),
        }
    }

    /// One that is there, in a folder or packed.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let is_folder = path.is_dir();
        let packed = (!is_folder).then(|| Packed::open(path)).transpose()?;
        let archive = |packed, known| Self {
            place: path.to_owned(),
            root: path.to_owned(),
            files: Arc::new(ArchiveFiles {
                packed,
                known,
                registry: None,
            }),
        };
        let unread = archive(packed, ArchiveState::default());
        let Some(state) = unread.read_state()? else {
            return Ok(unread);
        };
        let packed = Arc::into_inner(unread.files).and_then(|files| files.packed);
        Ok(archive(packed, state))
    }

    /// What is known since the archive at `path`, or what the file there says of one.
    pub fn state_at(path: &Path) -> Result<ArchiveState, ArchiveError> {
        let is_state = path.extension() == Some(OsStr::new("json"));
        if is_state && !path.is_dir() {
            let told = |error: &dyn std::fmt::Display| {
                ArchiveError(format!("{}: {error}", path.display()))
            };
            let bytes = std::fs::read(path).map_err(|error| told(&error))?;
            return ArchiveState::parse(&bytes).map_err(|error| told(&error));
        }
        let archive = Self::open(path)?;
        archive.read_state()?.ok_or_else(|| {
            ArchiveError(format!(
                "{}: it has no {STATE}, expected an archive that `image-sync save` has written",
                path.display()
            ))
        })
    }

    /// What has to be loaded before it, if anything.
    #[must_use]
    pub fn since(&self) -> Option<&str> {
        self.files.known.since.as_deref()
    }

    /// The images that it brings something of: repositories of the names that they are to have, each with a tag, or the digest of
    /// an image without one.
    pub fn images(&self) -> Result<Vec<(String, Reference)>, ArchiveError> {
        let index = self.whole().index()?;
        let brings = &self.files.known.brings;
        let names: BTreeSet<String> = if brings.is_empty() {
            index.named().map(|(name, _)| name).collect()
        } else {
            brings.clone()
        };
        names.iter().map(|name| self.split(name)).collect()
    }

    /// Ends the writing: its entries are put in order, and its state is written beside them. `untagged` images are named by their
    /// digests.
    pub fn finish(&self, untagged: &[(String, Digest)]) -> Result<ArchiveState, ArchiveError> {
        let folder = self.whole();
        folder.prepare()?;
        for (repository, digest) in untagged {
            self.folder(repository).name_untagged(digest)?;
        }
        folder.change_index(|index| Ok(index.sort()))?;
        let state = contents::state(&folder, &self.files.known)?;
        let bytes = state.to_bytes();
        if bytes.len() > MAX_STATE_BYTES {
            let path = self.place.display();
            return Err(ArchiveError(format!(
                "{path}: its state has {} bytes, and is read up to {MAX_STATE_BYTES} alone: save the images in several parts",
                bytes.len()
            )));
        }
        folder.replace(&self.root.join(STATE), &bytes)?;
        Ok(state)
    }

    /// Writes it as a tar file. The bytes are the same for the same content. What is packed is removed where it was.
    pub fn pack(&self, out: &mut dyn io::Write) -> io::Result<()> {
        pack::pack(&self.root, out)
    }

    /// One of its repositories.
    fn folder(&self, repository: &str) -> Folder {
        Folder::of_archive(&self.root, repository, &self.files)
    }

    /// All of it: a repository without a name.
    fn whole(&self) -> Folder {
        self.folder("")
    }

    fn read_state(&self) -> Result<Option<ArchiveState>, ArchiveError> {
        let folder = self.whole();
        folder.index()?;
        let Some(bytes) = folder.read(Path::new(STATE), MAX_STATE_BYTES)? else {
            return Ok(None);
        };
        let state = ArchiveState::parse(&bytes);
        state
            .map(Some)
            .map_err(|error| ArchiveError(format!("{}: {STATE}: {error}", self.place.display())))
    }

    /// Where an image is to go: what stands in an archive may have been written by anybody.
    fn split(&self, name: &str) -> Result<(String, Reference), ArchiveError> {
        let parsed = contents::split(name).filter(|(repository, _)| {
            let somewhere = Location::Folder(PathBuf::new());
            somewhere
                .repository(repository)
                .is_ok_and(|found| matches!(found, Repository::Folder(_)))
        });
        parsed.ok_or_else(|| {
            ArchiveError(format!(
                "{}: found an image that is called {name:?}, expected NAME:TAG as in library/nginx:1.27",
                self.place.display()
            ))
        })
    }
}

impl Folder {
    /// Lists an image that has no tag, where it is there.
    fn name_untagged(&self, digest: &Digest) -> Result<(), LayoutError> {
        let reference = Reference::Digest(digest.clone());
        let manifest = match self.manifest(&reference) {
            Ok(manifest) => manifest,
            Err(LayoutError::NoImage { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let descriptor = Self::descriptor_of(&manifest);
        let name = self.name_of(&reference);
        let full_name = self.full_name_of(&name);
        self.change_index(|index: &mut Index| index.set(&name, full_name, &descriptor))
    }
}
