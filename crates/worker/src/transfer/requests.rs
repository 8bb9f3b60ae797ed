//! The requests of one attempt: each with its short tries, and each told while it is under way.

use image_sync_shared::failure::{Failure, Side};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, MAX_MANIFEST_BYTES, RawManifest};
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::transfer::registries::{
    Arrival, BlobCopy, Pushed, Registries, Resolved,
};
use image_sync_shared::retry::RetryPolicy;
use image_sync_shared::run::job::Remote;

use crate::context::half_open::HalfOpen;
use crate::context::in_flight::InFlight;
use crate::context::retry::retry_request;

/// The port to the registries, as an attempt uses it.
#[derive(Clone, Copy)]
pub(crate) struct Requests<'a> {
    /// The port.
    pub(crate) registries: &'a dyn Registries,
    /// The short tries.
    pub(crate) retry: RetryPolicy,
    /// Where what is under way is told.
    pub(crate) in_flight: &'a InFlight,
    /// The paused hosts that are asked all the same. That they answer HEAD proves nothing: Docker Hub, for one, counts and
    /// refuses nothing but GET.
    pub(crate) half_open: &'a HalfOpen<'a>,
}

impl Requests<'_> {
    /// See [`Registries::resolve`].
    pub(crate) async fn resolve(
        &self,
        at: &Remote,
        reference: &Reference,
    ) -> Result<Option<Resolved>, Failure> {
        let image = at.repository.image(reference.clone());
        let what = format!("asking the {} for the digest of {image}", at.side);
        let _operation = self.in_flight.start(at.side, what);
        retry_request(self.retry, || self.registries.resolve(at, reference)).await
    }

    /// See [`Registries::pull_manifest`]; by digest, so that a tag that moves changes nothing.
    pub(crate) async fn pull_manifest(
        &self,
        at: &Remote,
        digest: &Digest,
    ) -> Result<RawManifest, Failure> {
        let limit = MAX_MANIFEST_BYTES;
        self.pull_manifest_up_to(limit, at, digest).await
    }

    /// The same of a manifest that has no more than `limit` bytes.
    pub(crate) async fn pull_manifest_up_to(
        &self,
        limit: usize,
        at: &Remote,
        digest: &Digest,
    ) -> Result<RawManifest, Failure> {
        let reference = Reference::Digest(digest.clone());
        let what = format!("reading manifest {digest} from the {}", at.side);
        let _operation = self.in_flight.start(at.side, what);
        let pulled = retry_request(self.retry, || {
            self.registries.pull_manifest_up_to(limit, at, &reference)
        })
        .await?;
        self.half_open.answered(at.side).await;
        Ok(pulled)
    }

    /// The manifest that a tag stands for now.
    pub(crate) async fn pull_tagged(
        &self,
        at: &Remote,
        tag: &Reference,
    ) -> Result<RawManifest, Failure> {
        let what = format!("reading manifest {tag} from the {}", at.side);
        let _operation = self.in_flight.start(at.side, what);
        let pulled = retry_request(self.retry, || self.registries.pull_manifest(at, tag)).await?;
        self.half_open.answered(at.side).await;
        Ok(pulled)
    }

    /// See [`Registries::push_manifest`].
    pub(crate) async fn push_manifest(
        &self,
        at: &Remote,
        reference: &Reference,
        manifest: &RawManifest,
    ) -> Result<Pushed, Failure> {
        let what = format!("writing manifest {reference} to the {}", at.side);
        let _operation = self.in_flight.start(at.side, what);
        let pushed = retry_request(self.retry, || {
            self.registries.push_manifest(at, reference, manifest)
        })
        .await?;
        self.half_open.answered(at.side).await;
        Ok(pushed)
    }

    /// See [`Registries::referrers`].
    pub(crate) async fn referrers(
        &self,
        at: &Remote,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>, Failure> {
        let what = format!("asking the {} what refers to {subject}", at.side);
        let _operation = self.in_flight.start(at.side, what);
        retry_request(self.retry, || {
            self.registries.referrers(at, subject, artifact_type)
        })
        .await
    }

    /// See [`Registries::tags`].
    pub(crate) async fn tags(&self, at: &Remote) -> Result<Vec<String>, Failure> {
        let what = format!("listing the tags of the {}", at.side);
        let _operation = self.in_flight.start(at.side, what);
        retry_request(self.retry, || self.registries.tags(at)).await
    }

    /// See [`Registries::first_tags`]. Once: nothing but the words of a failure hangs on it.
    pub(crate) async fn first_tags(&self, at: &Remote) -> Result<Vec<String>, Failure> {
        let what = format!("listing the tags of the {}", at.side);
        let _operation = self.in_flight.start(at.side, what);
        self.registries.first_tags(at).await
    }

    /// See [`Registries::has_blob`].
    pub(crate) async fn has_blob(&self, at: &Remote, digest: &Digest) -> Result<bool, Failure> {
        let what = format!("asking the {} for blob {digest}", at.side);
        let _operation = self.in_flight.start(at.side, what);
        retry_request(self.retry, || self.registries.has_blob(at, digest)).await
    }

    /// See [`Registries::copy_blob`].
    pub(crate) async fn copy_blob(&self, copy: &BlobCopy<'_>) -> Result<Arrival, Failure> {
        let what = format!(
            "copying blob {} of {} bytes",
            copy.blob.digest, copy.blob.size
        );
        let _operation = self.in_flight.start(Side::Source, what);
        let arrival = retry_request(self.retry, || {
            self.registries.copy_blob(BlobCopy { ..*copy })
        })
        .await?;
        self.half_open.answered(Side::Target).await;
        Ok(arrival)
    }
}
