//! What a config file says, checked and complete with its defaults. Reading files is the producer's.

pub mod webhooks;

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::path::PathBuf;
use std::time::Duration;

use crate::failure::Failure;
use crate::image::platform::Platforms;
use crate::image::reference::{Location, Reference, Repository};
use crate::retry::RetryPolicy;
use crate::run::job::{ImagePolicy, Trust};
use crate::secret::Secret;
use webhooks::Webhooks;

/// A config without its images, which may be too many to be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where images go to, the first of the places where there are several: reports name it.
    pub cache_registry: Location,
    /// The other places that images go to.
    pub further_targets: Vec<Location>,
    /// What an image has where it says nothing itself.
    pub defaults: ImageDefaults,
    /// What holds for all images.
    pub settings: Settings,
    /// What holds for one registry, by its host.
    pub registries: BTreeMap<String, RegistrySettings>,
    /// Who may send events.
    pub webhooks: Webhooks,
}

impl Config {
    /// All places that images go to.
    pub fn targets(&self) -> impl Iterator<Item = &Location> {
        iter::once(&self.cache_registry).chain(&self.further_targets)
    }

    /// How many hosts images go to.
    #[must_use]
    pub fn target_hosts(&self) -> usize {
        let hosts = self.targets().map(Location::host);
        hosts.collect::<BTreeSet<_>>().len()
    }
}

/// One image of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSpec {
    /// The source as the file names it.
    pub image: String,
    /// The tag as the file names it.
    pub tag: String,
    /// The source.
    pub source: Repository,
    /// The tag or digest at the source.
    pub reference: Reference,
    /// The repository at the target.
    pub target: Repository,
    /// The tag at the target.
    pub target_reference: Reference,
    /// Which platforms.
    pub platforms: Platforms,
    /// How the source is reached.
    pub source_trust: Trust,
    /// How the target is reached.
    pub target_trust: Trust,
    /// What else the config says of it.
    pub policy: ImagePolicy,
}

impl ImageSpec {
    /// The target with its tag or digest.
    #[must_use]
    pub fn target_name(&self) -> String {
        let name = self.target.image(self.target_reference.clone());
        name.to_string()
    }
}

/// What an entry of the catalog comes to: an image, or the reason why there is none to be worked.
#[derive(Clone, Debug)]
pub struct Expanded {
    /// The image; of those that could not be found out, one with any tag.
    pub image: ImageSpec,
    /// Why it is not worked.
    pub failure: Option<Box<Failure>>,
}

impl Expanded {
    /// An image to be worked.
    #[must_use]
    pub fn image(image: ImageSpec) -> Self {
        Self {
            image,
            failure: None,
        }
    }

    /// Images that are not worked, of which `sample` is one.
    #[must_use]
    pub fn failed(sample: ImageSpec, failure: Failure) -> Self {
        Self {
            image: sample,
            failure: Some(Box::new(failure)),
        }
    }
}

/// What an image has where it says nothing itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDefaults {
    /// Which platforms.
    pub platforms: Platforms,
    /// How the source is reached.
    pub source_trust: Trust,
    /// How the target is reached.
    pub target_trust: Trust,
    /// What becomes of what is there, and of what is not.
    pub policy: ImagePolicy,
    /// The names of targets and repositories that it goes to; none for the usual ones.
    pub targets: Option<Box<[Box<str>]>>,
}

/// What holds for all images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Images worked at the same time.
    pub concurrency: usize,
    /// How long one attempt at an image may take.
    pub pull_timeout: Duration,
    /// How long a connection may take to be made, TLS included.
    pub connect_timeout: Duration,
    /// How long a registry may take to begin its response.
    pub response_timeout: Duration,
    /// How long a credential helper may take.
    pub helper_timeout: Duration,
    /// How long a transfer may stand still before it is cut.
    pub stall_timeout: Duration,
    /// How long a run may take.
    pub run_timeout: Duration,
    /// How long a registry that answered 429 is left alone at most.
    pub max_pause: Duration,
    /// Whether failed images leave the exit code at 0.
    pub skip_on_error: bool,
    /// Attempts and waits.
    pub retry: RetryPolicy,
}

/// What holds for one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Where its requests go instead of to its host: `https://HOST[:PORT]` or `http://HOST[:PORT]`, and behind it a path
    /// where all repositories are kept under one.
    pub endpoint: Option<String>,
    /// Hosts or URLs that are asked first when reading, in this order, with a path as for `endpoint`.
    pub mirrors: Vec<String>,
    /// Plain HTTP, no TLS.
    pub plain_http: bool,
    /// TLS unverified, and plain HTTP where the host speaks no TLS.
    pub insecure: bool,
    /// PEM file with certificates to trust beside the usual ones.
    pub ca_file: Option<PathBuf>,
    /// The folder with its certificates, in place of those that are looked for.
    pub cert_dir: Option<PathBuf>,
    /// PEM file with a client certificate.
    pub cert_file: Option<PathBuf>,
    /// PEM file with its key.
    pub key_file: Option<PathBuf>,
    /// User name.
    pub username: Option<String>,
    /// Where its password is.
    pub password: Option<PasswordSource>,
    /// Where the token is that it takes as it is, in place of a user name and a password.
    pub token: Option<PasswordSource>,
    /// Credentials for the repositories below a path, by that path, in place of those above.
    pub paths: BTreeMap<String, Login>,
    /// Where its token server is, if that is to get a password although it is in another domain.
    pub token_realm: Option<String>,
    /// Whether it may lead to private and loopback addresses without being on such an address itself.
    pub allow_private: bool,
    /// Requests under way at the same time, at most.
    pub max_connections: Option<usize>,
    /// The longest request with bytes of a blob, in bytes: longer blobs are sent in chunks.
    pub chunk_size: Option<u64>,
    /// The proxy through which it and the hosts that it leads to are reached; none for what the environment says.
    pub proxy: Option<ProxySetting>,
}

/// Who we are: a user name with a password, or a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub username: Option<String>,
    /// Where its password is.
    pub password: Option<PasswordSource>,
    /// Where the token is that is sent as it is.
    pub token: Option<PasswordSource>,
}

/// Through which proxy a registry is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxySetting {
    /// Through none.
    Nothing,
    /// Through the one with this URL, `http://[USER:PASSWORD@]HOST[:PORT]` or `https://...`: it may hold a password.
    Server(Secret),
}

/// Where a password or a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// In the config.
    Inline(Secret),
    /// In a file, read again when it was refused.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
}
