//! How connections to a host are made.

use std::path::PathBuf;

use image_sync_shared::config::RegistrySettings;
use image_sync_shared::run::job::Trust;

use crate::http::proxy::ProxyChoice;
use crate::http::tls::TlsSettings;

/// How connections to a host are secured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Profile {
    /// Whether the certificate is not verified.
    pub(crate) unverified: bool,
    /// PEM file with certificates to trust beside the usual ones.
    pub(crate) ca_file: Option<PathBuf>,
    /// The folder with the certificates for the host, in place of the one that is looked for.
    pub(crate) folder: Option<PathBuf>,
    /// A folder with authorities to trust beside the usual ones.
    pub(crate) authorities: Option<PathBuf>,
    /// PEM files with a client certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    /// Through which proxy they go.
    pub(crate) proxy: ProxyChoice,
}

impl Profile {
    /// What `settings` and `trust` say. An error is about the proxy.
    pub(crate) fn new(settings: &RegistrySettings, trust: Trust) -> Result<Self, String> {
        let certificate = settings.cert_file.clone();
        let key = settings.key_file.clone().or_else(|| certificate.clone());
        let proxy = ProxyChoice::new(settings.proxy.as_ref());
        Ok(Self {
            unverified: settings.insecure || trust == Trust::Insecure,
            ca_file: settings.ca_file.clone(),
            folder: settings.cert_dir.clone(),
            authorities: None,
            identity: certificate.zip(key),
            proxy: proxy.map_err(|why| format!("proxy: {why}"))?,
        })
    }

    /// The same for a host that cannot be verified.
    pub(crate) fn without_verification(&self) -> Self {
        Self {
            unverified: true,
            ..self.clone()
        }
    }

    /// What of it is about TLS.
    pub(crate) fn tls(&self) -> TlsSettings<'_> {
        TlsSettings {
            unverified: self.unverified,
            ca_file: self.ca_file.as_deref(),
            authorities: self.authorities.as_deref(),
            identity: self.identity.as_ref(),
        }
    }

    /// Whether files belong to it, which may be missing or broken.
    pub(crate) fn has_files(&self) -> bool {
        self.ca_file.is_some() || self.folder.is_some() || self.identity.is_some()
    }

    /// What of it holds for a further host that the registry names: whom to trust and through which proxy to go, but
    /// neither to skip verification there nor to show it the client certificate.
    pub(crate) fn for_another_host(&self) -> Self {
        Self {
            ca_file: self.ca_file.clone(),
            authorities: self.folder.clone().or_else(|| self.authorities.clone()),
            proxy: self.proxy.clone(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_host_gets_the_ca_and_the_proxy_and_nothing_else() {
        let profile = Profile {
            unverified: true,
            ca_file: Some("ca.pem".into()),
            folder: Some("certs".into()),
            authorities: None,
            identity: Some(("c.pem".into(), "k.pem".into())),
            proxy: ProxyChoice::Nothing,
        };
        let other = profile.for_another_host();
        assert_eq!(other.ca_file, profile.ca_file);
        assert_eq!(other.proxy, profile.proxy);
        assert_eq!(
            other.authorities, profile.folder,
            "and of the folder its authorities"
        );
        assert!(!other.unverified && other.identity.is_none() && other.folder.is_none());
        assert_eq!(other.for_another_host(), other);
    }
}
