//! What the tests of registries over HTTP share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use image_sync_registry::{
    ClientOptions, CredentialEnv, FixedLimits, ProxyEnv, Router, SetupError, Timeouts,
};
use image_sync_shared::config::{PasswordSource, RegistrySettings};
use image_sync_shared::failure::{Failure, Side};
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::transfer::registries::{Registries as _, Resolved};
use image_sync_shared::ports::transfer::request_limits::RequestLimits;
use image_sync_shared::run::job::{Access, Remote, Trust};
use image_sync_shared::secret::Secret;
use image_sync_testkit::fake_registry::Auth;
use image_sync_testkit::images::image;
use image_sync_testkit::{FakeRegistry, Image, PrivateCa};
use time::OffsetDateTime;
use time::macros::datetime;

/// The time in all tests.
pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> OffsetDateTime {
        NOW
    }
}

/// A router in the making. It knows no credentials but those it is given.
pub(crate) struct RouterBuilder(ClientOptions);

impl RouterBuilder {
    pub(crate) fn new() -> Self {
        Self(ClientOptions {
            registries: BTreeMap::new(),
            credentials: CredentialEnv::default(),
            proxies: ProxyEnv::default(),
            certificate_folders: Vec::new(),
            timeouts: Timeouts::default(),
            clock: Arc::new(Noon),
            measures: Arc::new(image_sync_shared::ports::telemetry::measures::Unmeasured),
            limits: Arc::new(FixedLimits::new(&BTreeMap::new())),
            shares_reads: false,
        })
    }

    /// With so little patience that a test can wait for its end.
    pub(crate) fn impatient(mut self) -> Self {
        self.0.timeouts.answer = Duration::from_secs(1);
        self.0.timeouts.stall = Duration::from_secs(1);
        self.0.timeouts.helper = Duration::from_secs(1);
        self
    }

    /// With so much time for a connection.
    pub(crate) fn connect_within(mut self, limit: Duration) -> Self {
        self.0.timeouts.connect = limit;
        self
    }

    /// With settings of a registry.
    pub(crate) fn with(mut self, host: &str, change: impl FnOnce(&mut RegistrySettings)) -> Self {
        change(self.0.registries.entry(host.to_owned()).or_default());
        self.0.limits = Arc::new(FixedLimits::new(&self.0.registries));
        self
    }

    /// With a user name and a password for a registry.
    pub(crate) fn login(self, host: &str, user: &str, password: &str) -> Self {
        self.with(host, |settings| {
            settings.username = Some(user.to_owned());
            settings.password = Some(PasswordSource::Inline(Secret::new(password)));
        })
    }

    /// With a private authority for a registry.
    pub(crate) fn trusting(self, host: &str, ca: &PrivateCa, folder: &Path) -> Self {
        let path = write(folder, "ca.pem", ca.ca_pem());
        self.with(host, |settings| settings.ca_file = Some(path))
    }

    /// With an environment.
    pub(crate) fn env(mut self, change: impl FnOnce(&mut CredentialEnv)) -> Self {
        change(&mut self.0.credentials);
        self
    }

    /// With proxies in the environment.
    pub(crate) fn proxies(mut self, change: impl FnOnce(&mut ProxyEnv)) -> Self {
        change(&mut self.0.proxies);
        self
    }

    /// With a folder that has a folder with certificates for each host.
    pub(crate) fn certificate_folder(mut self, folder: &Path) -> Self {
        self.0.certificate_folders.push(folder.to_owned());
        self
    }

    /// With `text` as Docker's config file, which is in `folder`.
    pub(crate) fn docker_config(self, folder: &Path, text: &str) -> Self {
        write(folder, "config.json", text);
        self.env(|env| env.docker_config = Some(folder.to_owned()))
    }

    /// With these limits of requests in the place of those of the settings so far.
    pub(crate) fn limits(mut self, limits: Arc<dyn RequestLimits>) -> Self {
        self.0.limits = limits;
        self
    }

    pub(crate) fn try_router(self) -> Result<Router, SetupError> {
        Router::new(self.0)
    }

    pub(crate) fn router(self) -> Router {
        self.try_router().unwrap()
    }
}

pub(crate) fn router() -> Router {
    RouterBuilder::new().router()
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

pub(crate) fn tag(tag: &str) -> Reference {
    Reference::Tag(tag.to_owned())
}

/// A repository to read from.
pub(crate) fn source(host: &str, name: &str) -> Remote {
    Remote {
        side: Side::Source,
        repository: format!("{host}/{name}").parse().unwrap(),
        trust: Trust::Verified,
        access: Access::Pull,
    }
}

/// A repository to write to.
pub(crate) fn target(host: &str, name: &str) -> Remote {
    Remote {
        side: Side::Target,
        access: Access::PullPush,
        ..source(host, name)
    }
}

/// The same, unverified.
pub(crate) fn insecure(remote: Remote) -> Remote {
    Remote {
        trust: Trust::Insecure,
        ..remote
    }
}

/// A registry that wants to know who asks, with nothing in it.
pub(crate) async fn guarded(auth: Auth) -> FakeRegistry {
    FakeRegistry::builder().auth(auth).start().await.unwrap()
}

/// Puts the image `app:v1` into a registry.
pub(crate) fn put_app(registry: &FakeRegistry) -> Image {
    let app = image("app");
    registry.put_image("app", "v1", &app);
    app
}

/// Asks for `app:v1`.
pub(crate) async fn resolve_app(router: &Router, host: &str) -> Result<Option<Resolved>, Failure> {
    router.resolve(&source(host, "app"), &tag("v1")).await
}

/// Puts `count` images, each into a repository of its own.
pub(crate) fn put_many(registry: &FakeRegistry, count: usize) {
    let app = image("app");
    for number in 0..count {
        registry.put_image(&format!("app{number}"), "v1", &app);
    }
}

/// Asks for all of them at once.
pub(crate) async fn resolve_many(
    router: &Router,
    host: &str,
    count: usize,
) -> Vec<Result<Option<Resolved>, Failure>> {
    let remotes: Vec<Remote> = (0..count)
        .map(|number| source(host, &format!("app{number}")))
        .collect();
    let v1 = tag("v1");
    join_all(remotes.iter().map(|remote| router.resolve(remote, &v1))).await
}

/// Proves that all were found.
pub(crate) fn assert_all_found(answers: &[Result<Option<Resolved>, Failure>]) {
    for answer in answers {
        assert!(matches!(answer, Ok(Some(_))), "{answer:?}");
    }
}
