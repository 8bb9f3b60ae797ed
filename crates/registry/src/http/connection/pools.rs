//! One connection pool for each way in which connections are secured.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use image_sync_shared::panics::lock;
use reqwest::Url;

use super::connector::Connector;
use super::pool::{PRODUCT, Pool};
use super::profile::Profile;
use crate::http::network::{Network, Reach};
use crate::http::proxy::{Proxies, ProxyServer};
use crate::http::tls::{HostCertificates, TlsSettings, client_config, is_there};
use crate::http::{SetupError, Timeouts};

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
                folder: match &profile.folder {
                    Some(folder) => is_there(folder).then(|| folder.as_path().into()),
                    None => self.host_certificates.folder(url),
                },
            }),
            // Behind a proxy the only name to resolve is the proxy's own, which the user has named.
            reach: if proxy.is_none() { reach } else { Reach::Named },
            proxy,
        };
        let mut made = lock(&self.made);
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
        self.proxies.choose(url, &profile.proxy)
    }

    fn make(&self, key: &Key) -> Result<Pool, SetupError> {
        let tls = match &key.tls {
            Some(Tls { profile, folder }) => client_config(&profile.tls(), folder.as_deref())?,
            None => client_config(&TlsSettings::UNVERIFIED, None)?,
        };
        let names = self.network.resolver(key.reach);
        let within = self.timeouts.connect;
        let Some(proxy) = &key.proxy else {
            return Ok(Pool::new(Connector::new(names, tls, within), None));
        };
        let invalid = |why| SetupError::new(format!("proxy {}", proxy.authority()), why);
        let proxy = proxy.address().map_err(invalid)?;
        let is_tunnel = key.tls.is_some();
        let connector = Connector::through(&proxy, is_tunnel, PRODUCT, names, tls, within);
        // A tunnel shows the login once, as it is made; inside of it the requests are the registry's.
        let login = proxy.login.filter(|_| !is_tunnel);
        Ok(Pool::new(connector, login))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
