//! What is known of the blobs and manifests of targets, which saves requests. It may be wrong: who acts on it hears so from the
//! target, and has it forgotten.

use std::fmt::Debug;

use crate::image::digest::Digest;
use crate::image::reference::Repository;

/// What is known of a blob at a target before anything is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownBlob {
    /// It was put into the target's repository, or seen there.
    pub here: bool,
    /// A repository of the same registry into which it was put, or in which it was seen.
    pub elsewhere: Option<Repository>,
    /// Nothing but what was put there was ever seen in the target's repository.
    pub new_repository: bool,
    /// The registry is known not to mount.
    pub refuses_mounts: bool,
}

/// What is known of targets. Nothing here waits: an implementation that shares what it knows with others does that in the
/// background.
pub trait KnownBlobs: Debug + Send + Sync {
    /// A tag of `repository` was asked for: it was there, or it was not.
    fn met(&self, repository: &Repository, tag_there: bool);

    /// What is known of a blob before it goes to `target`.
    fn known(&self, target: &Repository, digest: &Digest) -> KnownBlob;

    /// Whether nothing but what was put there was ever seen in `repository`.
    fn is_new(&self, repository: &Repository) -> bool;

    /// `repository` has a blob.
    fn note(&self, repository: &Repository, digest: &Digest);

    /// What was said about a blob in `repository` may be wrong.
    fn forget(&self, repository: &Repository, digest: &Digest);

    /// Whether a manifest and all that it refers to is known to be in `repository`.
    fn has_manifest(&self, repository: &Repository, digest: &Digest) -> bool;

    /// `repository` has a manifest and all that it refers to.
    fn note_manifest(&self, repository: &Repository, digest: &Digest);

    /// What was said about a manifest in `repository` may be wrong.
    fn forget_manifest(&self, repository: &Repository, digest: &Digest);

    /// A blob was mounted at the registry of `repository`.
    fn mounted(&self, repository: &Repository);

    /// A blob known to be in `from` could not be mounted from there. A registry that never mounted anything is not asked
    /// again; one that did must have lost the blob.
    fn mount_refused(&self, from: &Repository, digest: &Digest);

    /// The registry of `repository` says that it mounts, and does not.
    fn mounts_nothing(&self, repository: &Repository);
}
