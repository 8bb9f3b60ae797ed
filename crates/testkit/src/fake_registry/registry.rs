//! The registry as a test sees it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use image_sync_shared::digest::Digest;
use image_sync_shared::manifest::RawManifest;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::auth::Auth;
use super::behaviour::Behaviour;
use super::complete;
use super::content::{Content, Synthetic};
use super::faults::{Fault, Rule, Staged};
use super::records::Request;
use super::server::serve;
use super::shared::Shared;
use super::store::{Store, Stored};
use super::tokens::TokenService;
use crate::images::Image;
use crate::lock::written;
use crate::tls::PrivateCa;

/// A registry in this process. It ends when it is dropped.
pub struct FakeRegistry {
    host: String,
    shared: Arc<Shared>,
    // Aborts the server when dropped.
    _server: JoinSet<()>,
}

/// What a registry is to be like from its start.
#[derive(Clone)]
pub struct Builder {
    port: u16,
    auth: Auth,
    tokens: Option<TokenService>,
    tls: Option<TlsAcceptor>,
    behaviour: Behaviour,
    recording: bool,
    store: Arc<Store>,
}

impl Builder {
    /// How clients are authenticated. Default: not at all.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Serves these tokens at `/token`, for another registry. [`Auth::bearer`] alone does that for this one.
    #[must_use]
    pub fn tokens(mut self, tokens: &TokenService) -> Self {
        self.tokens = Some(tokens.clone());
        self
    }

    /// Speaks TLS, with a certificate of this authority for 127.0.0.1 and localhost.
    #[must_use]
    pub fn tls(mut self, ca: &PrivateCa) -> Self {
        self.tls = Some(ca.acceptor());
        self
    }

    /// How it behaves.
    #[must_use]
    pub fn behaviour(mut self, change: impl FnOnce(&mut Behaviour)) -> Self {
        change(&mut self.behaviour);
        self
    }

    /// Keeps no record of requests, so that its memory does not grow with them.
    #[must_use]
    pub fn without_records(mut self) -> Self {
        self.recording = false;
        self
    }

    /// Listens on this port rather than on a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts it.
    pub async fn start(self) -> io::Result<FakeRegistry> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await?;
        let host = listener.local_addr()?.to_string();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let tokens = self.tokens.or_else(|| self.auth.own_tokens());
        let shared = Arc::new(Shared::new(
            format!("{scheme}://{host}"),
            self.store,
            self.recording,
            tokens,
            self.auth,
            self.behaviour,
        ));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, self.tls, shared.clone()));
        Ok(FakeRegistry {
            host,
            shared,
            _server: server,
        })
    }
}

impl FakeRegistry {
    /// An open registry over plain HTTP on a free port.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// A registry that is to be something else.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            port: 0,
            auth: Auth::Open,
            tokens: None,
            tls: None,
            behaviour: Behaviour::default(),
            recording: true,
            store: Arc::default(),
        }
    }

    /// A builder of another server for the same content, as clouds have one for blobs: another host, open, with
    /// records and faults of its own.
    #[must_use]
    pub fn second_host(&self) -> Builder {
        Builder {
            store: self.shared.store.clone(),
            ..Self::builder()
        }
    }

    /// Its address, as it stands before an image's name: `127.0.0.1:4711`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its base URL: `http://127.0.0.1:4711`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The name of an image in it: `127.0.0.1:4711/repository:tag`.
    #[must_use]
    pub fn image(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.host)
    }

    /// Changes how it behaves.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        self.shared.behave(change);
    }

    /// Changes how it authenticates. Tokens at `/token` stay those that it was started with.
    pub fn set_auth(&self, auth: Auth) {
        *written(&self.shared.auth) = auth;
    }

    /// Makes every request wait so long, in tokio's time.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.set_latency(latency);
    }
}

/// Content.
impl FakeRegistry {
    /// Puts an image with all that belongs to it, and moves a tag to it.
    pub fn put_image(&self, repository: &str, tag: &str, image: &Image) {
        self.put_untagged(repository, image);
        self.tag(repository, tag, image.digest());
    }

    /// Puts an image with all that belongs to it, without a tag.
    pub fn put_untagged(&self, repository: &str, image: &Image) {
        for blob in image.all_blobs() {
            self.put_blob(repository, &blob.digest, blob.bytes.clone());
        }
        for manifest in image.manifests() {
            self.put_manifest_as(repository, &manifest.digest, manifest);
        }
    }

    /// Puts a manifest under a digest, be it the true one or not.
    pub fn put_manifest_as(&self, repository: &str, digest: &Digest, manifest: &RawManifest) {
        let stored = Stored {
            digest: digest.to_string(),
            media_type: manifest.media_type.clone(),
            bytes: manifest.bytes.clone(),
        };
        self.shared.store.put_manifest(repository, stored);
    }

    /// Moves a tag.
    pub fn tag(&self, repository: &str, tag: &str, digest: &Digest) {
        self.shared.store.tag(repository, tag, digest.as_str());
    }

    /// Removes a tag.
    pub fn remove_tag(&self, repository: &str, tag: &str) {
        self.shared.store.remove_tag(repository, tag);
    }

    /// Puts a blob under a digest, be it the true one or not.
    pub fn put_blob(&self, repository: &str, digest: &Digest, bytes: impl Into<Bytes>) {
        let content = Content::Bytes(bytes.into());
        self.shared
            .store
            .put_blob(repository, digest.as_str(), content);
    }

    /// Puts a blob that takes no memory.
    pub fn put_synthetic_blob(&self, repository: &str, digest: &Digest, blob: &Synthetic) {
        let content = Content::Synthetic(blob.clone());
        self.shared
            .store
            .put_blob(repository, digest.as_str(), content);
    }

    /// Removes a blob.
    pub fn remove_blob(&self, repository: &str, digest: &Digest) {
        self.shared.store.remove_blob(repository, digest.as_str());
    }

    /// Makes an empty repository.
    pub fn create_repository(&self, repository: &str) {
        self.shared.store.create_repository(repository);
    }

    /// The manifest that a tag or digest names.
    #[must_use]
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<RawManifest> {
        let stored = self.shared.store.manifest(repository, reference)?;
        Some(RawManifest {
            digest: stored.digest.parse().ok()?,
            media_type: stored.media_type,
            bytes: stored.bytes,
        })
    }

    /// The digest that a tag points at.
    #[must_use]
    pub fn digest(&self, repository: &str, tag: &str) -> Option<Digest> {
        Some(self.manifest(repository, tag)?.digest)
    }

    /// A blob; none if it is missing, or not held in memory.
    #[must_use]
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Bytes> {
        match self.shared.store.blob(repository, digest.as_str())? {
            Content::Bytes(bytes) => Some(bytes),
            Content::Synthetic(_) | Content::Discarded(_) => None,
        }
    }

    /// Whether a repository has a blob.
    #[must_use]
    pub fn has_blob(&self, repository: &str, digest: &Digest) -> bool {
        self.shared
            .store
            .blob(repository, digest.as_str())
            .is_some()
    }

    /// The tags of a repository; none if there is no such repository.
    #[must_use]
    pub fn tags(&self, repository: &str) -> Vec<String> {
        self.shared.store.tags(repository).unwrap_or_default()
    }

    /// The repositories.
    #[must_use]
    pub fn repositories(&self) -> Vec<String> {
        self.shared.store.repositories()
    }

    /// The upload sessions that were neither finished nor cancelled.
    #[must_use]
    pub fn open_uploads(&self) -> Vec<String> {
        self.shared.store.open_uploads()
    }

    /// What is missing or wrong below the tags; a sentence each.
    #[must_use]
    pub fn incomplete_tags(&self) -> Vec<String> {
        complete::problems(&self.shared.store)
    }

    /// Proves that all that the tags refer to is in their repository, with the right digests.
    ///
    /// # Panics
    ///
    /// If something is missing or wrong.
    pub fn assert_every_tag_is_complete(&self) {
        let problems = self.incomplete_tags();
        assert!(problems.is_empty(), "incomplete tags: {problems:#?}");
    }
}

/// Faults.
impl FakeRegistry {
    /// Makes a fault happen to the requests of a rule.
    #[expect(
        clippy::must_use_candidate,
        reason = "who counts requests need not ask the fault too"
    )]
    pub fn stage(&self, rule: Rule, fault: Fault) -> Staged {
        self.shared.faults.stage(rule, fault)
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }
}

/// Records.
impl FakeRegistry {
    /// All requests, in the order of their arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.records.all()
    }

    /// How many requests of this method (`*`: any) had a path like `pattern`, where `*` stands for any text.
    #[must_use]
    pub fn count(&self, method: &str, pattern: &str) -> usize {
        self.count_where(|request| request.is(method, pattern))
    }

    /// How many requests there were like this.
    pub fn count_where(&self, wanted: impl Fn(&Request) -> bool) -> usize {
        self.shared.records.count(wanted)
    }

    /// Forgets all requests so far.
    pub fn reset(&self) {
        self.shared.records.clear();
    }

    /// The most requests that were under way at the same time.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.shared.records.most_in_flight()
    }

    /// Returns the first request like this, when it has come. Look at `status` or `answered` to wait for an answer.
    pub async fn wait_for(&self, wanted: impl Fn(&Request) -> bool) -> Request {
        self.shared.records.wait_for(wanted).await
    }
}
