//! Reads and writes manifests and lists tags at a registry (OCI distribution spec, sections "Pull", "Push" and "Content
//! Discovery"). Blobs are in `transfer`.

use image_sync_shared::digest::Digest;
use image_sync_shared::failure::Failure;
use image_sync_shared::job::Remote;
use image_sync_shared::manifest::RawManifest;
use image_sync_shared::ports::registries::Resolved;
use image_sync_shared::reference::Reference;

use crate::client::Client;

/// A registry over HTTP.
#[derive(Clone)]
pub(crate) struct HttpRegistry {
    client: Client,
}

impl HttpRegistry {
    /// A registry that `client` speaks to.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// See [`Registries::resolve`](image_sync_shared::ports::registries::Registries::resolve).
    pub(crate) async fn resolve(
        &self,
        at: &Remote,
        reference: &Reference,
    ) -> Result<Option<Resolved>, Failure> {
        Err(unfinished(at, reference))
    }

    /// See [`Registries::pull_manifest`](image_sync_shared::ports::registries::Registries::pull_manifest).
    pub(crate) async fn pull_manifest(
        &self,
        at: &Remote,
        reference: &Reference,
    ) -> Result<RawManifest, Failure> {
        Err(unfinished(at, reference))
    }

    /// See [`Registries::push_manifest`](image_sync_shared::ports::registries::Registries::push_manifest).
    pub(crate) async fn push_manifest(
        &self,
        at: &Remote,
        reference: &Reference,
        manifest: &RawManifest,
    ) -> Result<(), Failure> {
        Err(unfinished(at, &manifest.digest))
    }

    /// See [`Registries::has_blob`](image_sync_shared::ports::registries::Registries::has_blob).
    pub(crate) async fn has_blob(&self, at: &Remote, digest: &Digest) -> Result<bool, Failure> {
        Err(unfinished(at, digest))
    }

    /// See [`Registries::tags`](image_sync_shared::ports::registries::Registries::tags).
    pub(crate) async fn tags(&self, at: &Remote) -> Result<Vec<String>, Failure> {
        Err(unfinished(at, &at.repository))
    }
}

fn unfinished(at: &Remote, subject: impl std::fmt::Display) -> Failure {
    use image_sync_shared::failure::{FailureClass, Step};
    Failure::new(
        at.side,
        Step::Check,
        subject,
        FailureClass::Local,
        "not yet",
    )
}
