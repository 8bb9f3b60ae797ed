//! Which servers a request for a registry may go to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use image_sync_shared::config::RegistrySettings;
use image_sync_shared::panics::lock;
use image_sync_shared::run::job::Trust;

use super::endpoint::Endpoint;
use crate::http::SetupError;

/// All servers that are known, each made when it is first needed.
pub(crate) struct Endpoints {
    registries: BTreeMap<String, RegistrySettings>,
    known: Mutex<HashMap<Key, Arc<Endpoint>>>,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    /// What is learnt of a host unverified is nothing to who wants it verified.
    Registry(String, Trust),
    Mirror(String),
}

impl Endpoints {
    /// Finds out whether all that `registries` says can be followed.
    pub(crate) fn new(registries: BTreeMap<String, RegistrySettings>) -> Result<Self, SetupError> {
        let endpoints = Self {
            registries,
            known: Mutex::default(),
        };
        for (host, settings) in &endpoints.registries {
            endpoints.registry(host, Trust::Verified)?;
            for mirror in &settings.mirrors {
                endpoints.mirror(mirror)?;
            }
            if settings.key_file.is_some() && settings.cert_file.is_none() {
                let place = format!("registries.{host}");
                return Err(SetupError::new(place, "it has a key_file and no cert_file"));
            }
        }
        Ok(endpoints)
    }

    /// The registry `host` itself.
    pub(crate) fn registry(&self, host: &str, trust: Trust) -> Result<Arc<Endpoint>, SetupError> {
        self.get(Key::Registry(host.to_owned(), trust), || {
            Endpoint::registry(host, &self.settings(host), trust)
        })
    }

    /// The mirrors of `host`, in their order.
    pub(crate) fn mirrors(&self, host: &str) -> Result<Vec<Arc<Endpoint>>, SetupError> {
        let settings = self.registries.get(host);
        let mirrors = settings.map_or(&[][..], |settings| &settings.mirrors);
        mirrors.iter().map(|mirror| self.mirror(mirror)).collect()
    }

    fn mirror(&self, text: &str) -> Result<Arc<Endpoint>, SetupError> {
        self.get(Key::Mirror(text.to_owned()), || {
            Endpoint::mirror(text, |host| self.settings(host))
        })
    }

    fn get(
        &self,
        key: Key,
        make: impl FnOnce() -> Result<Endpoint, SetupError>,
    ) -> Result<Arc<Endpoint>, SetupError> {
        // Held while one is made: of two for one server, each would learn for itself what it wants, and fetch tokens of
        // its own.
        let mut known = lock(&self.known);
        if let Some(endpoint) = known.get(&key) {
            return Ok(Arc::clone(endpoint));
        }
        let endpoint = Arc::new(make()?);
        known.insert(key, Arc::clone(&endpoint));
        Ok(endpoint)
    }

    fn settings(&self, host: &str) -> RegistrySettings {
        self.registries.get(host).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(settings: RegistrySettings, host: &str, trust: Trust) -> Vec<String> {
        let registries = BTreeMap::from([(host.to_owned(), settings)]);
        let endpoint = Endpoints::new(registries)
            .unwrap()
            .registry(host, trust)
            .unwrap();
        let addresses = [Some(endpoint.base()), endpoint.plain.clone()];
        addresses.into_iter().flatten().map(String::from).collect()
    }

    #[test]
    fn plain_http_is_tried_only_where_it_is_allowed() {
        let usual = RegistrySettings::default;
        let of = |host, trust| bases(usual(), host, trust);
        assert_eq!(
            of("r.example:5000", Trust::Verified),
            ["https://r.example:5000/"]
        );
        assert_eq!(
            of("r.example:5000", Trust::Insecure),
            ["https://r.example:5000/", "http://r.example:5000/"]
        );
        assert_eq!(
            of("[::1]:5000", Trust::Verified),
            ["https://[::1]:5000/", "http://[::1]:5000/"]
        );
        assert_eq!(
            of("docker.io", Trust::Verified),
            ["https://registry-1.docker.io/"]
        );
        let plain = RegistrySettings {
            plain_http: true,
            ..usual()
        };
        assert_eq!(
            bases(plain, "r.example", Trust::Verified),
            ["http://r.example/"]
        );
        let endpoint = RegistrySettings {
            endpoint: Some("https://other.example:1".to_owned()),
            insecure: true,
            ..usual()
        };
        assert_eq!(
            bases(endpoint, "r.example", Trust::Verified),
            ["https://other.example:1/"]
        );
    }

    #[test]
    fn a_loopback_host_may_be_plain_but_is_verified_where_it_is_not() {
        let endpoints = Endpoints::new(BTreeMap::new()).unwrap();
        let endpoint = endpoints
            .registry("localhost:5000", Trust::Verified)
            .unwrap();
        assert!(endpoint.plain.is_some());
        let profile = endpoint.profile(&endpoint.known());
        assert!(!profile.unverified);
    }

    #[test]
    fn a_mirror_has_the_settings_of_its_own_host() {
        let mirrors = ["m.example", "http://n.example:5000", "o.example/hub/"];
        let hub = RegistrySettings {
            mirrors: mirrors.map(str::to_owned).to_vec(),
            insecure: true,
            ..RegistrySettings::default()
        };
        let plain = RegistrySettings {
            plain_http: true,
            ..RegistrySettings::default()
        };
        let registries = [
            ("docker.io".to_owned(), hub),
            ("m.example".to_owned(), plain),
        ];
        let endpoints = Endpoints::new(BTreeMap::from(registries)).unwrap();
        let mirrors = endpoints.mirrors("docker.io").unwrap();
        let told: Vec<String> = mirrors
            .iter()
            .map(|mirror| format!("{} {} {}", mirror.host, mirror.base(), mirror.prefix))
            .collect();
        assert_eq!(
            told,
            [
                "m.example http://m.example/ ",
                "n.example:5000 http://n.example:5000/ ",
                "o.example https://o.example/ hub",
            ]
        );
        let verified = |mirror: &Arc<Endpoint>| !mirror.profile(&mirror.known()).unverified;
        assert!(mirrors.iter().all(verified));
        assert_eq!(mirrors[2].name("library/a"), "hub/library/a");
        let for_credentials = mirrors[2].name_for_credentials("library/a");
        assert_eq!(for_credentials, "hub/library/a");
        assert!(endpoints.mirrors("m.example").unwrap().is_empty());
    }

    #[test]
    fn an_endpoint_may_keep_all_repositories_under_a_path_and_has_the_credentials_of_its_registry()
    {
        let settings = RegistrySettings {
            endpoint: Some("https://harbor.example:8443/proxy-hub/sub/".to_owned()),
            ..RegistrySettings::default()
        };
        let registries = BTreeMap::from([("docker.io".to_owned(), settings)]);
        let endpoints = Endpoints::new(registries).unwrap();
        let hub = endpoints.registry("docker.io", Trust::Verified).unwrap();
        assert_eq!(hub.base().as_str(), "https://harbor.example:8443/");
        assert_eq!(hub.name("library/a"), "proxy-hub/sub/library/a");
        assert_eq!(hub.name_for_credentials("library/a"), "library/a");
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        let refused = |settings: RegistrySettings| {
            let registries = BTreeMap::from([("r.example".to_owned(), settings)]);
            Endpoints::new(registries).err().unwrap().to_string()
        };
        for endpoint in [
            "r.example",
            "ftp://r.example",
            "https://r.example/v2",
            "https://r.example/v2/proxy",
            "https://r.example/Proxy",
            "https://r.example/proxy?a=b",
            "https://r.example/../x",
            "https://u:hunter2@r.example",
            "https://",
        ] {
            let error = refused(RegistrySettings {
                endpoint: Some(endpoint.to_owned()),
                ..RegistrySettings::default()
            });
            assert!(
                error.starts_with("registries.r.example: ") && error.contains("expected https://"),
                "{error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
        let mirror = refused(RegistrySettings {
            mirrors: vec!["ftp://m".to_owned()],
            ..RegistrySettings::default()
        });
        assert!(mirror.contains("mirror ftp://m"), "{mirror}");
        let key = refused(RegistrySettings {
            key_file: Some("k".into()),
            ..RegistrySettings::default()
        });
        assert!(key.contains("no cert_file"), "{key}");
    }
}
