//! All repositories behind one port: those at registries and those in folders.

use async_trait::async_trait;
use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, RawManifest};
use image_sync_shared::image::reference::{Reference, Repository};
use image_sync_shared::ports::transfer::registries::{
    Arrival, BlobCopy, Pushed, Registries, Resolved,
};
use image_sync_shared::run::job::Remote;

use crate::client::{Client, ClientOptions};
use crate::distribution::HttpRegistry;
use crate::distribution::blobs::BlobTransfer;
use crate::http::SetupError;
use crate::layout::{Archive, Folders, Subjects};

/// Reads and writes images wherever they are.
pub struct Router {
    client: Client,
    http: HttpRegistry,
    transfer: BlobTransfer,
    folders: Folders,
    /// What the manifests of folders refer to.
    subjects: Subjects,
}

impl Router {
    /// A router to the registries of `options`, and to all folders. Nothing is contacted yet.
    pub fn new(options: ClientOptions) -> Result<Self, SetupError> {
        Self::over(options, Folders::default())
    }

    /// The same, with an archive among the folders.
    pub fn with_archive(options: ClientOptions, archive: Archive) -> Result<Self, SetupError> {
        Self::over(options, Folders::with_archive(archive))
    }

    fn over(options: ClientOptions, folders: Folders) -> Result<Self, SetupError> {
        let registries = options.registries.iter();
        let chunk_sizes = registries
            .filter_map(|(host, settings)| Some((host.clone(), settings.chunk_size?)))
            .collect();
        let client = Client::new(options)?;
        Ok(Self {
            http: HttpRegistry::new(client.clone()),
            transfer: BlobTransfer::new(client.clone(), folders.clone(), chunk_sizes),
            client,
            folders,
            subjects: Subjects::default(),
        })
    }

    /// Waits until nothing is under way that outlives its caller: uploads that failed are cancelled in the background, in at
    /// most 20 seconds each.
    pub async fn close(&self) {
        self.transfer.close().await;
    }
}

#[async_trait]
impl Registries for Router {
    async fn resolve(
        &self,
        at: &Remote,
        reference: &Reference,
    ) -> Result<Option<Resolved>, Failure> {
        let resolved = match &at.repository {
            Repository::Registry { .. } => self.http.resolve(at, reference).await,
            Repository::Folder(path) => self.folders.layout(at, path).resolve(reference).await,
        };
        resolved.map_err(|failure| self.without_secrets(failure))
    }

    async fn pull_manifest_up_to(
        &self,
        limit: usize,
        at: &Remote,
        reference: &Reference,
    ) -> Result<RawManifest, Failure> {
        let pulled = match &at.repository {
            Repository::Registry { .. } => self.http.pull_manifest(limit, at, reference).await,
            Repository::Folder(path) => {
                let layout = self.folders.layout(at, path);
                layout.pull_manifest(limit, reference).await
            }
        };
        pulled.map_err(|failure| self.without_secrets(failure))
    }

    async fn push_manifest(
        &self,
        at: &Remote,
        reference: &Reference,
        manifest: &RawManifest,
    ) -> Result<Pushed, Failure> {
        let pushed = match &at.repository {
            Repository::Registry { .. } => self.http.push_manifest(at, reference, manifest).await,
            Repository::Folder(path) => {
                let layout = self.folders.layout(at, path);
                layout.push_manifest(reference, manifest).await
            }
        };
        pushed.map_err(|failure| self.without_secrets(failure))
    }

    async fn referrers(
        &self,
        at: &Remote,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>, Failure> {
        let listed = match &at.repository {
            Repository::Registry { .. } => self.http.referrers(at, subject, artifact_type).await,
            Repository::Folder(path) => {
                let layout = self.folders.layout(at, path);
                layout.referrers(subject, &self.subjects).await.map(Some)
            }
        };
        listed.map_err(|failure| self.without_secrets(failure))
    }

    async fn has_blob(&self, at: &Remote, digest: &Digest) -> Result<bool, Failure> {
        let found = match &at.repository {
            Repository::Registry { .. } => self.http.has_blob(at, digest).await,
            Repository::Folder(path) => self.folders.layout(at, path).has_blob(digest).await,
        };
        found.map_err(|failure| self.without_secrets(failure))
    }

    async fn read_blob(
        &self,
        limit: usize,
        at: &Remote,
        blob: &Descriptor,
    ) -> Result<Vec<u8>, Failure> {
        let read = self.transfer.read_blob(limit, at, blob).await;
        read.map_err(|failure| self.without_secrets(failure))
    }

    async fn copy_blob(&self, copy: BlobCopy<'_>) -> Result<Arrival, Failure> {
        let copied = self.transfer.copy_blob(&copy).await;
        copied.map_err(|failure| self.without_secrets(failure))
    }

    async fn tags(&self, at: &Remote) -> Result<Vec<String>, Failure> {
        let tags = match &at.repository {
            Repository::Registry { .. } => self.http.tags(at).await,
            Repository::Folder(path) => self.folders.layout(at, path).tags().await,
        };
        tags.map_err(|failure| self.without_secrets(failure))
    }

    async fn first_tags(&self, at: &Remote) -> Result<Vec<String>, Failure> {
        match &at.repository {
            Repository::Registry { .. } => {
                let tags = self.http.first_tags(at).await;
                tags.map_err(|failure| self.without_secrets(failure))
            }
            Repository::Folder(_) => self.tags(at).await,
        }
    }

    async fn repositories(&self, at: &Remote) -> Result<Vec<String>, Failure> {
        let names = match &at.repository {
            Repository::Registry { .. } => self.http.repositories(at).await,
            Repository::Folder(path) => Err(Failure::new(
                at.side,
                Step::ListRepositories,
                path.display(),
                FailureClass::Invalid,
                "a folder has no catalog of repositories",
            )),
        };
        names.map_err(|failure| self.without_secrets(failure))
    }

    fn without_secrets(&self, failure: Failure) -> Failure {
        self.client.without_secrets(&failure)
    }
}
