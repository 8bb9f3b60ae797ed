//! One connection pool for each way in which connections are secured.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use image_sync_shared::config::RegistrySettings;
use image_sync_shared::job::Trust;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Identity, Url};

use super::network::{Network, Reach};
use super::options::Timeouts;
use super::own_certificates;
use super::setup_error::SetupError;

const USER_AGENT: &str = concat!("image-sync/", env!("CARGO_PKG_VERSION"));

/// How connections to a host are secured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Profile {
    /// Whether the certificate is not verified.
    pub(crate) unverified: bool,
    /// PEM file with certificates to trust beside the usual ones.
    pub(crate) ca_file: Option<PathBuf>,
    /// PEM files with a client certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

impl Profile {
    /// What `settings` and `trust` say.
    pub(crate) fn new(settings: &RegistrySettings, trust: Trust) -> Self {
        let certificate = settings.cert_file.clone();
        let key = settings.key_file.clone().or_else(|| certificate.clone());
        Self {
            unverified: settings.insecure || trust == Trust::Insecure,
            ca_file: settings.ca_file.clone(),
            identity: certificate.zip(key),
        }
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

    /// What of it holds for a further host that the registry names: whom to trust, but neither to skip verification
    /// there nor to show it the client certificate.
    pub(crate) fn for_another_host(&self) -> Self {
        Self {
            ca_file: self.ca_file.clone(),
            ..Self::default()
        }
    }
}

/// Connection pools by profile, each made when it is first needed.
pub(crate) struct Pools {
    timeouts: Timeouts,
    network: Arc<Network>,
    made: Mutex<HashMap<Key, Client>>,
}

/// Plain HTTP has a pool of its own, which needs none of the system's certificates.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    tls: Option<Profile>,
    /// Past the system's proxies: a proxy has other loopback addresses than this machine.
    direct: bool,
    /// How far its connections may go.
    reach: Reach,
}

impl Pools {
    pub(crate) fn new(timeouts: Timeouts, network: Arc<Network>) -> Self {
        // Another part of the process may have installed it already, and it is the same then.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        Self {
            timeouts,
            network,
            made: Mutex::default(),
        }
    }

    /// The pool for `url` under `profile`, from which a name is resolved to what `reach` allows.
    pub(crate) fn pool(
        &self,
        url: &Url,
        profile: &Profile,
        reach: Reach,
    ) -> Result<Client, SetupError> {
        let direct = is_loopback(url) || !self.network.is_proxied(url);
        let key = Key {
            tls: (url.scheme() == "https").then(|| profile.clone()),
            direct,
            // Behind a proxy the only name to resolve is the proxy's own, which the user has named.
            reach: if direct { reach } else { Reach::Named },
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&key) {
            return Ok(client.clone());
        }
        let client = self.make(&key)?;
        made.insert(key, client.clone());
        Ok(client)
    }

    fn make(&self, key: &Key) -> Result<Client, SetupError> {
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(self.timeouts.connect)
            .redirect(Policy::none())
            .dns_resolver(self.network.resolver(key.reach))
            .http1_only();
        if key.direct {
            builder = builder.no_proxy();
        }
        builder = match &key.tls {
            Some(profile) => secure(builder, profile)?,
            None => builder.tls_danger_accept_invalid_certs(true),
        };
        builder
            .build()
            .map_err(|error| SetupError::new("TLS settings", innermost(&error)))
    }
}

fn secure(builder: ClientBuilder, profile: &Profile) -> Result<ClientBuilder, SetupError> {
    let identity = profile.identity.as_ref().map(read_identity).transpose()?;
    if !profile.unverified
        && let Some(path) = &profile.ca_file
    {
        let pem = identity.as_ref().map(|(pem, _)| pem.as_slice());
        let config = own_certificates::trusting(&read(path)?, pem)
            .map_err(|why| SetupError::new(path.display().to_string(), why))?;
        return Ok(builder.tls_backend_preconfigured(config));
    }
    let builder = builder.tls_danger_accept_invalid_certs(profile.unverified);
    Ok(match identity {
        Some((_, identity)) => builder.identity(identity),
        None => builder,
    })
}

/// A client certificate and its key: their text, and what it says.
fn read_identity(
    (certificate, key): &(PathBuf, PathBuf),
) -> Result<(Vec<u8>, Identity), SetupError> {
    let mut pem = read(certificate)?;
    if key != certificate {
        pem.push(b'\n');
        pem.extend(read(key)?);
    }
    let identity = Identity::from_pem(&pem).map_err(|error| {
        let place = format!("{} with {}", certificate.display(), key.display());
        SetupError::new(place, innermost(&error))
    })?;
    Ok((pem, identity))
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

fn innermost(error: &reqwest::Error) -> String {
    let outermost: &dyn std::error::Error = error;
    std::iter::successors(Some(outermost), |error| error.source())
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_host_gets_the_ca_and_nothing_else() {
        let profile = Profile {
            unverified: true,
            ca_file: Some("ca.pem".into()),
            identity: Some(("c.pem".into(), "k.pem".into())),
        };
        let other = profile.for_another_host();
        assert_eq!(other.ca_file, profile.ca_file);
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
        let pools = Pools::new(Timeouts::default(), Arc::new(Network::system()));
        let url = "https://r.example".parse().unwrap();
        let refused = |profile| {
            let pool = pools.pool(&url, &profile, Reach::Named);
            pool.unwrap_err().to_string()
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
