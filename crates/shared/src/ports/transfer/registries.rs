//! Reading and writing images (OCI distribution spec), at registries and in folders alike.
//!
//! An implementation makes each request once: it fetches a new token after a 401 and resumes a blob that was cut, and
//! leaves every other repetition to its caller. What several callers read of a source by its digest at the same time it may read once for all of
//! them, as long as none waits for another. Failures carry the side of the remote they come from.

use async_trait::async_trait;

use crate::failure::Failure;
use crate::image::digest::Digest;
use crate::image::manifest::{Descriptor, MAX_MANIFEST_BYTES, RawManifest};
use crate::image::reference::{Reference, Repository};
use crate::run::job::Remote;

/// What a HEAD of a manifest tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The digest.
    pub digest: Digest,
    /// The media type, as far as the registry states it.
    pub media_type: String,
}

impl From<RawManifest> for Resolved {
    /// What a GET tells, where HEAD tells nothing.
    fn from(manifest: RawManifest) -> Self {
        Self {
            digest: manifest.digest,
            media_type: manifest.media_type,
        }
    }
}

/// What a registry says of a manifest that it has taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// The manifest that it refers to, where the registry lists it among those that do (spec, section "Pushing Manifests with
    /// Subject": the header `OCI-Subject`). Where a manifest with a subject was taken without that, the index under the referrers
    /// tag has to list it.
    pub subject: Option<Digest>,
}

/// How a blob came to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was mounted from another repository of the target.
    Mounted,
    /// It was sent from the source.
    Copied {
        /// How many bytes were sent to the target.
        bytes: u64,
    },
}

/// One blob to be copied.
pub struct BlobCopy<'a> {
    /// Where it comes from.
    pub source: &'a Remote,
    /// Where it goes to.
    pub target: &'a Remote,
    /// The blob.
    pub blob: &'a Descriptor,
    /// A repository at the target's registry that the target may mount it from (spec, section "Mounting a blob from
    /// another repository"); naming the target's own repository asks whether it is there and starts the upload if not.
    pub mount_from: Option<&'a Repository>,
    /// Whether it may be mounted at all, from the source too where that is at the same registry. Not where the registry said of
    /// a mount that it was done, and it was not.
    pub may_mount: bool,
    /// Is told of bytes as they are sent.
    pub on_bytes: &'a (dyn Fn(u64) + Send + Sync),
}

/// Reads and writes images.
#[async_trait]
pub trait Registries: Send + Sync {
    /// The digest and type of an image by HEAD, or none if the repository does not have it.
    async fn resolve(
        &self,
        at: &Remote,
        reference: &Reference,
    ) -> Result<Option<Resolved>, Failure>;

    /// A manifest of at most [`MAX_MANIFEST_BYTES`]. Asked for by digest, its bytes have that digest.
    async fn pull_manifest(
        &self,
        at: &Remote,
        reference: &Reference,
    ) -> Result<RawManifest, Failure> {
        let limit = MAX_MANIFEST_BYTES;
        self.pull_manifest_up_to(limit, at, reference).await
    }

    /// A manifest of at most `limit` bytes: of a longer one no more is read, and it is invalid.
    async fn pull_manifest_up_to(
        &self,
        limit: usize,
        at: &Remote,
        reference: &Reference,
    ) -> Result<RawManifest, Failure>;

    /// Writes a manifest under a tag, or under its own digest.
    async fn push_manifest(
        &self,
        at: &Remote,
        reference: &Reference,
        manifest: &RawManifest,
    ) -> Result<Pushed, Failure>;

    /// The manifests that refer to `subject` (spec, section "Listing Referrers"), page by page until the end; those of
    /// `artifact_type` alone, where one is named and the registry can tell. None if it has no such API: then the index under the
    /// referrers tag lists them.
    async fn referrers(
        &self,
        at: &Remote,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>, Failure>;

    /// Whether a repository has a blob, by HEAD.
    async fn has_blob(&self, at: &Remote, digest: &Digest) -> Result<bool, Failure>;

    /// A small blob as a whole, such as the configuration of an image. Its bytes have the descriptor's digest and size; one of
    /// more than `limit` bytes is not read, and is invalid.
    async fn read_blob(
        &self,
        limit: usize,
        at: &Remote,
        blob: &Descriptor,
    ) -> Result<Vec<u8>, Failure>;

    /// Brings one blob from source to target, by mounting it where that is allowed and works, else by sending it. Bytes that
    /// do not have the blob's digest and size never become a blob of the target. If the call fails or is dropped, the
    /// upload is cancelled.
    async fn copy_blob(&self, copy: BlobCopy<'_>) -> Result<Arrival, Failure>;

    /// All tags of a repository, page by page until the end.
    async fn tags(&self, at: &Remote) -> Result<Vec<String>, Failure>;

    /// The tags that one request tells of, for those who need no more than some of them.
    async fn first_tags(&self, at: &Remote) -> Result<Vec<String>, Failure> {
        self.tags(at).await
    }

    /// The names of all repositories that the registry of `at` shows to us, page by page until the end. Which of its repositories
    /// `at` names does not matter but to credentials that are for a path. Folders have no such list.
    async fn repositories(&self, at: &Remote) -> Result<Vec<String>, Failure>;

    /// A failure without the secrets that registries were shown. Those of the calls above have none already; this is for what
    /// is found in their answers later, such as in a manifest.
    fn without_secrets(&self, failure: Failure) -> Failure {
        failure
    }
}
