//! OCI image layout folders as registries (OCI image spec, image-layout.md): each repository is a folder with a layout, its
//! tags are the names in `index.json`.

mod archive;
mod blobs;
mod error;
mod folder;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod hostile_tests;
mod index;
mod lock;
mod manifests;
mod plain;
mod referrers;
#[cfg(test)]
mod tests;

use std::path::Path;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, RawManifest};
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::transfer::registries::{Pushed, Resolved};
use image_sync_shared::run::job::Remote;

pub(crate) use self::archive::Folders;
pub use self::archive::{Archive, ArchiveError};
pub(crate) use self::blobs::{BlobFile, Link, READ_BUFFER};
pub(crate) use self::error::LayoutError;
pub use self::folder::ArchiveState;
use self::folder::{Folder, Piece};
pub(crate) use self::referrers::Subjects;

/// One repository that is a folder, on its side of a copy.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    side: Side,
    folder: Folder,
}

impl Layout {
    /// The repository in the folder `root`, which `at` names.
    pub(crate) fn new(at: &Remote, root: &Path) -> Self {
        Self {
            side: at.side,
            folder: Folder::new(root),
        }
    }

    /// As [`Registries::resolve`](image_sync_shared::ports::transfer::registries::Registries::resolve). A target that is no layout yet
    /// has no images, and one whose manifest is lost or broken needs it again; a source without the image says what it has
    /// instead.
    pub(crate) async fn resolve(&self, reference: &Reference) -> Result<Option<Resolved>, Failure> {
        let asked = reference.clone();
        let target = self.side == Side::Target;
        self.run(Step::Check, reference, move |folder| {
            let resolved = match &asked {
                // A blob of the same bytes is no manifest with all that it refers to.
                Reference::Digest(_) if target => folder.resolve_complete(&asked),
                _ => folder.resolve(&asked),
            };
            match resolved {
                Err(LayoutError::Mismatch { .. }) if target => Ok(None),
                Err(error) if error.is_absence() => match folder.known_image(&asked) {
                    Some(known) => Ok(Some(known)),
                    None if target => Ok(None),
                    None => Err(error),
                },
                resolved => resolved.map(Some),
            }
        })
        .await
    }

    /// As [`Registries::pull_manifest_up_to`](image_sync_shared::ports::transfer::registries::Registries::pull_manifest_up_to).
    pub(crate) async fn pull_manifest(
        &self,
        limit: usize,
        reference: &Reference,
    ) -> Result<RawManifest, Failure> {
        let asked = reference.clone();
        let target = self.side == Side::Target;
        self.run(Step::PullManifest, reference, move |folder| {
            match folder.manifest_up_to(limit, &asked) {
                Err(error) if target && error.is_absence() => {
                    folder.known_manifest(&asked).ok_or(error)
                }
                pulled => pulled,
            }
        })
        .await
    }

    /// As [`Registries::push_manifest`](image_sync_shared::ports::transfer::registries::Registries::push_manifest). Refuses a manifest
    /// whose blobs or children are not all there.
    pub(crate) async fn push_manifest(
        &self,
        reference: &Reference,
        manifest: &RawManifest,
    ) -> Result<Pushed, Failure> {
        let (name, manifest) = (reference.clone(), manifest.clone());
        self.run(Step::PushManifest, reference, move |folder| {
            folder.push(&name, &manifest)
        })
        .await
    }

    /// As [`Registries::referrers`](image_sync_shared::ports::transfer::registries::Registries::referrers).
    pub(crate) async fn referrers(
        &self,
        subject: &Digest,
        subjects: &Subjects,
    ) -> Result<Vec<Descriptor>, Failure> {
        let (asked, subjects) = (subject.clone(), subjects.clone());
        let target = self.side == Side::Target;
        self.run(Step::ListReferrers, subject, move |folder| {
            let listed = match folder.referrers(&asked, &subjects) {
                Err(LayoutError::NoLayout { .. }) if target => Ok(Vec::new()),
                listed => listed,
            };
            let known = folder.known_referrers(&asked).filter(|_| target);
            listed.map(|listed| listed.into_iter().chain(known).collect())
        })
        .await
    }

    /// As [`Registries::has_blob`](image_sync_shared::ports::transfer::registries::Registries::has_blob).
    pub(crate) async fn has_blob(&self, digest: &Digest) -> Result<bool, Failure> {
        let asked = digest.clone();
        self.run(Step::CheckBlob, digest, move |folder| {
            Ok(folder.counts_on(&asked) || folder.has_whole_blob(&asked)?)
        })
        .await
    }

    /// As [`Registries::tags`](image_sync_shared::ports::transfer::registries::Registries::tags).
    pub(crate) async fn tags(&self) -> Result<Vec<String>, Failure> {
        let target = self.side == Side::Target;
        let path = self.folder.root().display();
        self.run(Step::ListTags, path, move |folder| match folder.index() {
            Err(LayoutError::NoLayout { .. }) if target => Ok(Vec::new()),
            index => Ok(folder.tags(&index?)),
        })
        .await
    }

    /// Opens a blob of the size that its descriptor says.
    pub(crate) async fn open_blob(&self, blob: &Descriptor) -> Result<Piece, Failure> {
        let asked = blob.clone();
        let opened = self.run(Step::PullBlob, &blob.digest, move |folder| {
            folder.open_blob(&asked)
        });
        opened.await
    }

    /// Whether a blob that is to be written is there, with its size and the right bytes.
    pub(crate) async fn is_present(&self, blob: &Descriptor) -> Result<bool, Failure> {
        let asked = blob.clone();
        self.run(Step::CheckBlob, &blob.digest, move |folder| {
            let is_known = folder.counts_on(&asked.digest);
            Ok(is_known || folder.has_blob(&asked)? && folder.has_whole_blob(&asked.digest)?)
        })
        .await
    }

    /// Whether its blobs are those of other repositories too.
    pub(crate) fn shares_blobs(&self) -> bool {
        self.folder.is_archive()
    }

    /// Begins to write a blob.
    pub(crate) async fn create_blob(&self, digest: &Digest) -> Result<BlobFile, Failure> {
        let asked = digest.clone();
        self.run(Step::PushBlob, digest, move |folder| {
            folder.create_blob(&asked)
        })
        .await
    }

    /// Brings a blob from `other` by a hard link, the folders' way of mounting.
    pub(crate) async fn link_blob(&self, other: &Path, blob: &Descriptor) -> Result<Link, Failure> {
        let (other, asked) = (Folder::new(other), blob.clone());
        self.run(Step::PushBlob, &blob.digest, move |folder| {
            folder.link_blob(&other, &asked)
        })
        .await
    }

    /// Tells an error of this layout.
    pub(crate) fn failure(
        &self,
        step: Step,
        subject: impl std::fmt::Display,
        error: &LayoutError,
    ) -> Failure {
        Failure::new(self.side, step, subject, error.class(), error)
    }

    async fn run<T: Send + 'static>(
        &self,
        step: Step,
        subject: impl std::fmt::Display,
        work: impl FnOnce(&Folder) -> Result<T, LayoutError> + Send + 'static,
    ) -> Result<T, Failure> {
        let folder = self.folder.clone();
        // A source is the folder that somebody named, be it a link. A target is a folder within that one.
        let within = self.side == Side::Target && !self.folder.is_archive();
        let work = move || {
            if within {
                folder.refuse_link()?;
            }
            work(&folder)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done.map_err(|error| self.failure(step, subject, &error)),
            Err(error) => Err(Failure::new(
                self.side,
                step,
                subject,
                FailureClass::Local,
                error,
            )),
        }
    }
}
