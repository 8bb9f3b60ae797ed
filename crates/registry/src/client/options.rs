//! What a client is built from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use image_sync_shared::config::RegistrySettings;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::telemetry::measures::Measures;
use image_sync_shared::ports::transfer::request_limits::RequestLimits;

use crate::credentials::CredentialEnv;
use crate::http::Timeouts;
use crate::http::proxy::ProxyEnv;

/// What a client is built from.
pub struct ClientOptions {
    /// What holds for one registry, by its host.
    pub registries: BTreeMap<String, RegistrySettings>,
    /// Where Docker's and podman's credentials are.
    pub credentials: CredentialEnv,
    /// What the environment says about proxies.
    pub proxies: ProxyEnv,
    /// Folders that hold a folder with certificates for each host, as `/etc/docker/certs.d` does. The first one that has a
    /// folder for a host is the only one for it.
    pub certificate_folders: Vec<PathBuf>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// Tells the time, for dates in Retry-After.
    pub clock: Arc<dyn Clock>,
    /// Is told of every request.
    pub measures: Arc<dyn Measures>,
    /// How many requests to each registry may be under way.
    pub limits: Arc<dyn RequestLimits>,
    /// Whether blobs and manifests of sources are read once for several callers, which takes up to 80 MiB of memory: worth it where
    /// images go to several hosts.
    pub shares_reads: bool,
}
