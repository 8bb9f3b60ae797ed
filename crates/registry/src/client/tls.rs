//! One connection pool for each way in which connections are secured.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use image_sync_shared::config::RegistrySettings;
use image_sync_shared::job::Trust;
use reqwest::Url;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use super::connector::Connector;
use super::host_certificates::{self, HostCertificates};
use super::network::{Network, Reach};
use super::options::Timeouts;
use super::own_certificates::{self, Identity};
use super::pool::{Pool, WHO};
use super::proxies::{Proxies, ProxyServer, Via};
use super::setup_error::SetupError;

/// How connections to a host are secured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Profile {
    /// Whether the certificate is not verified.
    pub(crate) unverified: bool,
    /// PEM file with certificates to trust beside the usual ones.
    pub(crate) ca_file: Option<PathBuf>,
    /// PEM files with a client certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    /// Through which proxy they go.
    pub(crate) via: Via,
}

impl Profile {
    /// What `settings` and `trust` say. An error is about the proxy.
    pub(crate) fn new(settings: &RegistrySettings, trust: Trust) -> Result<Self, String> {
        let certificate = settings.cert_file.clone();
        let key = settings.key_file.clone().or_else(|| certificate.clone());
        let via = Via::new(settings.proxy.as_ref());
        Ok(Self {
            unverified: settings.insecure || trust == Trust::Insecure,
            ca_file: settings.ca_file.clone(),
            identity: certificate.zip(key),
            via: via.map_err(|why| format!("proxy: {why}"))?,
        })
    }

    /// The same for a host that cannot be verified.
    pub(crate) fn without_verification(&self) -> Self {
        Self {
            unverified: true,
            ..self.clone()
        }
    }

    /// Whether files belong to it, which may be missing or broken.
    pub(crate) fn has_files(&self) -> bool {
        self.ca_file.is_some() || self.identity.is_some()
    }

    /// What of it holds for a further host that the registry names: whom to trust and through which proxy to go, but
    /// neither to skip verification there nor to show it the client certificate.
    pub(crate) fn for_another_host(&self) -> Self {
        Self {
            ca_file: self.ca_file.clone(),
            via: self.via.clone(),
            ..Self::default()
        }
    }
}

/// Connection pools by profile, each made when it is first needed.
pub(crate) struct Pools {
    timeouts: Timeouts,
    network: Arc<Network>,
    proxies: Proxies,
    host_certificates: HostCertificates,
    made: Mutex<HashMap<Key, Pool>>,
}

/// Plain HTTP has a pool of its own, which needs none of the system's certificates.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    tls: Option<Tls>,
    proxy: Option<Arc<ProxyServer>>,
    /// How far its connections may go.
    reach: Reach,
}

/// How connections with TLS are secured.
#[derive(PartialEq, Eq, Hash)]
struct Tls {
    profile: Profile,
    /// The folder with the certificates for the host.
    folder: Option<Arc<Path>>,
}

impl Pools {
    pub(crate) fn new(
        timeouts: Timeouts,
        network: Arc<Network>,
        proxies: Proxies,
        host_certificates: HostCertificates,
    ) -> Self {
        // Another part of the process may have installed it already, and it is the same then.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        Self {
            timeouts,
            network,
            proxies,
            host_certificates,
            made: Mutex::default(),
        }
    }

    /// The pool for `url` under `profile`, from which a name is resolved to what `reach` allows.
    pub(crate) fn pool(
        &self,
        url: &Url,
        profile: &Profile,
        reach: Reach,
    ) -> Result<Pool, SetupError> {
        let proxy = self.proxy(url, profile);
        let key = Key {
            tls: (url.scheme() == "https").then(|| Tls {
                profile: profile.clone(),
                folder: self.host_certificates.folder(url),
            }),
            // Behind a proxy the only name to resolve is the proxy's own, which the user has named.
            reach: if proxy.is_none() { reach } else { Reach::Named },
            proxy,
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = made.get(&key) {
            return Ok(pool.clone());
        }
        let pool = self.make(&key)?;
        made.insert(key, pool.clone());
        Ok(pool)
    }

    /// What tells names and kinds of places.
    pub(crate) fn network(&self) -> Arc<Network> {
        Arc::clone(&self.network)
    }

    /// The proxy through which `url` is reached under `profile`.
    pub(crate) fn proxy(&self, url: &Url, profile: &Profile) -> Option<Arc<ProxyServer>> {
        self.proxies.choose(url, &profile.via)
    }

    fn make(&self, key: &Key) -> Result<Pool, SetupError> {
        let tls = match &key.tls {
            Some(tls) => secured(tls)?,
            None => own_certificates::trusting_anyone(None)
                .map_err(|why| SetupError::new("TLS settings", why))?,
        };
        let names = self.network.resolver(key.reach);
        let within = self.timeouts.connect;
        let Some(proxy) = &key.proxy else {
            return Ok(Pool::new(Connector::new(names, tls, within), None));
        };
        let invalid = |why| SetupError::new(format!("proxy {}", proxy.authority()), why);
        let proxy = proxy.address().map_err(invalid)?;
        let is_tunnel = key.tls.is_some();
        let connector = Connector::through(&proxy, is_tunnel, WHO, names, tls, within);
        let login = proxy.login.filter(|_| !is_tunnel);
        Ok(Pool::new(connector, login))
    }
}

fn secured(tls: &Tls) -> Result<ClientConfig, SetupError> {
    let Tls { profile, folder } = tls;
    let in_folder = folder.as_deref().map(host_certificates::read);
    let in_folder = in_folder.transpose()?.unwrap_or_default();
    let identity = profile.identity.as_ref().or(in_folder.identity.as_ref());
    let identity = identity.map(read_identity).transpose()?;
    if profile.unverified {
        let config = own_certificates::trusting_anyone(identity);
        return config.map_err(|why| SetupError::new("TLS settings", why));
    }
    let mut named = Vec::new();
    if let Some(path) = &profile.ca_file {
        let found = certificates_in(path)?;
        if found.is_empty() {
            let place = path.display().to_string();
            return Err(SetupError::new(place, "there is no PEM certificate in it"));
        }
        named.extend(found);
    }
    for path in &in_folder.authorities {
        let found = certificates_in(path)?;
        if found.is_empty() {
            tracing::warn!(file = %path.display(), "there is no PEM certificate in it");
        }
        named.extend(found);
    }
    let files = profile.ca_file.iter().chain(&in_folder.authorities);
    let places: Vec<_> = files.map(|path| path.display().to_string()).collect();
    let place = if places.is_empty() {
        "the system's certificates".to_owned()
    } else {
        places.join(", ")
    };
    own_certificates::trusting(named, identity).map_err(|why| SetupError::new(place, why))
}

/// The certificates of a PEM file.
fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    own_certificates::certificates(&read(path)?)
        .map_err(|why| SetupError::new(path.display().to_string(), why))
}

/// A client certificate and its key.
fn read_identity((certificate, key): &(PathBuf, PathBuf)) -> Result<Identity, SetupError> {
    let mut pem = read(certificate)?;
    if key != certificate {
        pem.push(b'\n');
        pem.extend(read(key)?);
    }
    Identity::from_pem(&pem).map_err(|why| {
        let place = format!("{} with {}", certificate.display(), key.display());
        SetupError::new(place, why)
    })
}

/// Whether a URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    fs::read(path).map_err(|error| {
        let place = path.display().to_string();
        SetupError::new(place, format!("cannot be read: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_host_gets_the_ca_and_the_proxy_and_nothing_else() {
        let profile = Profile {
            unverified: true,
            ca_file: Some("ca.pem".into()),
            identity: Some(("c.pem".into(), "k.pem".into())),
            via: Via::Nothing,
        };
        let other = profile.for_another_host();
        assert_eq!(other.ca_file, profile.ca_file);
        assert_eq!(other.via, profile.via);
        assert!(!other.unverified && other.identity.is_none());
    }

    #[test]
    fn tells_loopback_hosts() {
        for yes in [
            "http://localhost:1",
            "http://127.1.2.3",
            "http://[::1]:5000",
            "http://a.localhost",
        ] {
            assert!(is_loopback(&yes.parse().unwrap()), "{yes}");
        }
        for no in [
            "http://localhost.example",
            "http://128.0.0.1",
            "http://[::2]",
            "http://10.0.0.1",
        ] {
            assert!(!is_loopback(&no.parse().unwrap()), "{no}");
        }
    }

    #[test]
    fn files_that_are_no_certificates_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        fs::write(&empty, "nothing").unwrap();
        let (network, none) = (Network::system(), HostCertificates::new(Vec::new()));
        let pools = Pools::new(
            Timeouts::default(),
            Arc::new(network),
            Proxies::default(),
            none,
        );
        let url = "https://r.example".parse().unwrap();
        let refused = |profile| {
            let pool = pools.pool(&url, &profile, Reach::Named);
            pool.err().unwrap().to_string()
        };
        let profile = Profile {
            ca_file: Some(empty.clone()),
            ..Profile::default()
        };
        assert!(refused(profile).contains("empty.pem: there is no PEM certificate"));
        let missing = folder.path().join("missing.pem");
        let profile = Profile {
            ca_file: Some(missing),
            ..Profile::default()
        };
        assert!(refused(profile).contains("missing.pem: cannot be read"));
        let profile = Profile {
            identity: Some((empty.clone(), empty)),
            ..Profile::default()
        };
        assert!(refused(profile).contains("empty.pem"));
    }
}
