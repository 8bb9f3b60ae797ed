//! What the tests of copies share.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use image_sync_registry::{ClientOptions, CredentialEnv, FixedLimits, ProxyEnv, Router, Timeouts};
use image_sync_shared::config::{PasswordSource, RegistrySettings};
use image_sync_shared::failure::{Failure, FailureClass, Side};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::reference::{Reference, Repository};
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::transfer::registries::{Arrival, BlobCopy, Registries as _};
use image_sync_shared::run::job::{Access, Remote, Trust};
use image_sync_shared::secret::Secret;
use image_sync_testkit::images::{Blob, deterministic_bytes};
use image_sync_testkit::{FakeRegistry, Image, PrivateCa};
use time::OffsetDateTime;
use time::macros::datetime;

/// A blob that takes many reads and writes.
pub(crate) const LARGE: usize = 3 * 1024 * 1024;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> OffsetDateTime {
        datetime!(2026-11-20 12:00 UTC)
    }
}

/// A router with settings of its own.
pub(crate) struct RouterBuilder {
    options: ClientOptions,
}

impl RouterBuilder {
    pub(crate) fn new() -> Self {
        Self {
            options: ClientOptions {
                registries: BTreeMap::new(),
                credentials: CredentialEnv::default(),
                proxies: ProxyEnv::default(),
                certificate_folders: Vec::new(),
                timeouts: Timeouts::default(),
                clock: Arc::new(Noon),
                measures: Arc::new(image_sync_shared::ports::telemetry::measures::Unmeasured),
                limits: Arc::new(FixedLimits::new(&BTreeMap::new())),
                shares_reads: false,
            },
        }
    }

    /// With so little patience that a test can wait for its end.
    pub(crate) fn impatient(mut self) -> Self {
        self.options.timeouts.stall = Duration::from_secs(1);
        self.options.timeouts.answer = Duration::from_secs(1);
        self
    }

    /// With a user name and a password for a host.
    pub(crate) fn login(mut self, host: &str, user: &str, password: &str) -> Self {
        let settings = self.settings(host);
        settings.username = Some(user.to_owned());
        settings.password = Some(PasswordSource::Inline(Secret::new(password)));
        self
    }

    /// With chunks of so many bytes at a host.
    pub(crate) fn chunks(mut self, host: &str, bytes: u64) -> Self {
        self.settings(host).chunk_size = Some(bytes);
        self
    }

    /// Without TLS at a host.
    pub(crate) fn plain(mut self, host: &str) -> Self {
        self.settings(host).plain_http = true;
        self
    }

    /// Trusting a private authority at a host.
    pub(crate) fn trusting(mut self, host: &str, ca: &PrivateCa, folder: &Path) -> Self {
        let path = folder.join("ca.pem");
        std::fs::write(&path, ca.ca_pem()).unwrap();
        self.settings(host).ca_file = Some(path);
        self
    }

    /// Reading once what several callers need at the same time.
    pub(crate) fn sharing(mut self) -> Self {
        self.options.shares_reads = true;
        self
    }

    /// With so many requests at once to a host.
    pub(crate) fn connections(mut self, host: &str, most: usize) -> Self {
        self.settings(host).max_connections = Some(most);
        self.options.limits = Arc::new(FixedLimits::new(&self.options.registries));
        self
    }

    pub(crate) fn router(self) -> Router {
        Router::new(self.options).unwrap()
    }

    fn settings(&mut self, host: &str) -> &mut RegistrySettings {
        self.options.registries.entry(host.to_owned()).or_default()
    }
}

pub(crate) fn router() -> Router {
    RouterBuilder::new().router()
}

pub(crate) fn tag(tag: &str) -> Reference {
    Reference::Tag(tag.to_owned())
}

pub(crate) fn repository(host: &str, name: &str) -> Repository {
    format!("{host}/{name}").parse().unwrap()
}

/// A repository to read from.
pub(crate) fn source(repository: Repository) -> Remote {
    Remote {
        side: Side::Source,
        repository,
        trust: Trust::Verified,
        access: Access::Pull,
    }
}

/// A repository to write to.
pub(crate) fn target(repository: Repository) -> Remote {
    Remote {
        side: Side::Target,
        repository,
        trust: Trust::Verified,
        access: Access::PullPush,
    }
}

pub(crate) fn folder(path: &Path) -> Repository {
    Repository::Folder(path.to_owned())
}

/// A blob of `length` bytes.
pub(crate) fn blob(seed: &str, length: usize) -> Blob {
    Blob::new(
        "application/octet-stream",
        deterministic_bytes(seed, length),
    )
}

/// A fake registry on each side, and a router to both.
pub(crate) struct TestRegistries {
    pub(crate) source: FakeRegistry,
    pub(crate) target: FakeRegistry,
    pub(crate) router: Router,
}

impl TestRegistries {
    pub(crate) async fn start() -> Self {
        Self::with(RouterBuilder::new()).await
    }

    pub(crate) async fn with(setup: RouterBuilder) -> Self {
        Self {
            source: FakeRegistry::start().await.unwrap(),
            target: FakeRegistry::start().await.unwrap(),
            router: setup.router(),
        }
    }

    /// Puts a blob into the source's repository `from`.
    pub(crate) fn put(&self, blob: &Blob) {
        self.source
            .put_blob("from", &blob.digest, blob.bytes.clone());
    }

    pub(crate) fn from(&self) -> Remote {
        source(repository(self.source.host(), "from"))
    }

    pub(crate) fn to(&self) -> Remote {
        target(repository(self.target.host(), "to"))
    }

    /// Copies a blob from the source's repository `from` to the target's repository `to`.
    pub(crate) async fn copy(&self, blob: &Blob) -> Result<Arrival, Failure> {
        copy(&self.router, &self.from(), &self.to(), &blob.descriptor()).await
    }

    /// As [`copy`](Self::copy), where another repository of the target may have the blob.
    pub(crate) async fn copy_or_mount(
        &self,
        blob: &Blob,
        from: &Repository,
    ) -> Result<Arrival, Failure> {
        let (source, target) = (self.from(), self.to());
        let copy = BlobCopy {
            source: &source,
            target: &target,
            blob: &blob.descriptor(),
            mount_from: Some(from),
            may_mount: true,
            on_bytes: &|_| {},
        };
        self.router.copy_blob(copy).await
    }

    /// Copies a blob and expects that it fails on `side` with `class`, and leaves nothing at the target.
    pub(crate) async fn fails(&self, blob: &Blob, side: Side, class: FailureClass) -> Failure {
        let failure = self.copy(blob).await.unwrap_err();
        assert_eq!((failure.side, failure.class), (side, class), "{failure}");
        assert_eq!(failure.subject, blob.digest.to_string());
        self.assert_nothing_left(blob).await;
        failure
    }

    /// Expects that the target has neither the blob nor an upload.
    pub(crate) async fn assert_nothing_left(&self, blob: &Blob) {
        self.router.close().await;
        assert!(!self.target.has_blob("to", &blob.digest));
        assert_eq!(self.target.open_uploads(), [""; 0]);
    }

    /// Expects that the target has the blob, and no upload under way.
    pub(crate) async fn assert_copied(&self, blob: &Blob) {
        self.router.close().await;
        assert_eq!(
            self.target.blob("to", &blob.digest).as_ref(),
            Some(&blob.bytes)
        );
        assert_eq!(self.target.open_uploads(), [""; 0]);
        assert_eq!(self.target.count("DELETE", "*"), 0);
    }

    /// The methods of all requests to the target, in their order.
    pub(crate) fn target_methods(&self) -> Vec<String> {
        methods(&self.target)
    }
}

pub(crate) fn methods(registry: &FakeRegistry) -> Vec<String> {
    let requests = registry.requests();
    requests.into_iter().map(|request| request.method).collect()
}

/// Copies a blob, and checks that bytes were counted as they say in the end.
pub(crate) async fn copy(
    router: &Router,
    source: &Remote,
    target: &Remote,
    blob: &Descriptor,
) -> Result<Arrival, Failure> {
    let counted = AtomicU64::new(0);
    let copy = BlobCopy {
        source,
        target,
        blob,
        mount_from: None,
        may_mount: true,
        on_bytes: &|bytes| {
            counted.fetch_add(bytes, Ordering::SeqCst);
        },
    };
    let arrival = router.copy_blob(copy).await?;
    if let Arrival::Copied { bytes } = arrival {
        assert_eq!(counted.into_inner(), bytes);
    }
    Ok(arrival)
}

pub(crate) fn copied(blob: &Blob) -> Arrival {
    Arrival::Copied {
        bytes: blob.bytes.len() as u64,
    }
}

/// Copies a whole image with all its descendants, the tag last.
pub(crate) async fn copy_image(
    router: &Router,
    source: &Remote,
    target: &Remote,
    name: &str,
    image: &Image,
) {
    for blob in image.all_blobs() {
        copy(router, source, target, &blob.descriptor())
            .await
            .unwrap();
    }
    for child in &image.children {
        let digest = Reference::Digest(child.digest().clone());
        let manifest = router.pull_manifest(source, &digest).await.unwrap();
        router
            .push_manifest(target, &digest, &manifest)
            .await
            .unwrap();
    }
    let manifest = router.pull_manifest(source, &tag(name)).await.unwrap();
    assert_eq!(manifest, image.manifest);
    router
        .push_manifest(target, &tag(name), &manifest)
        .await
        .unwrap();
}

/// The digest of a tag, as the port sees it.
pub(crate) async fn resolve(router: &Router, at: &Remote, name: &str) -> Option<Digest> {
    let resolved = router.resolve(at, &tag(name)).await.unwrap();
    resolved.map(|resolved| resolved.digest)
}
