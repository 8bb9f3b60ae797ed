//! What TLS is configured with: whom to trust, and the client certificate.

use std::fs;
use std::path::{Path, PathBuf};

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use super::host_certificates;
use super::verifier::{self, Identity};
use crate::http::SetupError;

/// What a user says about TLS with a host.
pub(crate) struct TlsSettings<'a> {
    /// Whether the certificate is not verified.
    pub(crate) unverified: bool,
    /// PEM file with certificates to trust beside the usual ones.
    pub(crate) ca_file: Option<&'a Path>,
    /// A folder with authorities to trust beside the usual ones.
    pub(crate) authorities: Option<&'a Path>,
    /// PEM files with a client certificate and its key.
    pub(crate) identity: Option<&'a (PathBuf, PathBuf)>,
}

impl TlsSettings<'_> {
    /// Nothing is read and nobody is verified.
    pub(crate) const UNVERIFIED: Self = Self {
        unverified: true,
        ca_file: None,
        authorities: None,
        identity: None,
    };
}

/// The TLS of connections to a host, the certificates for which are in `folder` if anywhere.
pub(crate) fn client_config(
    settings: &TlsSettings<'_>,
    folder: Option<&Path>,
) -> Result<ClientConfig, SetupError> {
    let in_folder = folder.map(host_certificates::read);
    let in_folder = in_folder.transpose()?.unwrap_or_default();
    let further = settings
        .authorities
        .filter(|folder| host_certificates::is_there(folder));
    let further = further.map(host_certificates::read).transpose()?;
    let identity = settings.identity.or(in_folder.identity.as_ref());
    let identity = identity.map(read_identity).transpose()?;
    if settings.unverified {
        let config = verifier::trusting_anyone(identity);
        return config.map_err(|why| SetupError::new("TLS settings", why));
    }
    let mut named = Vec::new();
    if let Some(path) = settings.ca_file {
        let found = certificates_in(path)?;
        if found.is_empty() {
            let place = path.display().to_string();
            return Err(SetupError::new(place, "there is no PEM certificate in it"));
        }
        named.extend(found);
    }
    let authorities = further.map_or_else(Vec::new, |further| further.authorities);
    let authorities = [in_folder.authorities, authorities].concat();
    for path in &authorities {
        let found = certificates_in(path)?;
        if found.is_empty() {
            tracing::warn!(file = %path.display(), "there is no PEM certificate in it");
        }
        named.extend(found);
    }
    let in_folders = authorities.iter().map(PathBuf::as_path);
    let files = settings.ca_file.into_iter().chain(in_folders);
    let places: Vec<_> = files.map(|path| path.display().to_string()).collect();
    let place = if places.is_empty() {
        "the system's certificates".to_owned()
    } else {
        places.join(", ")
    };
    verifier::trusting(named, identity).map_err(|why| SetupError::new(place, why))
}

/// The certificates of a PEM file.
fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    verifier::certificates(&read(path)?)
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

fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    fs::read(path).map_err(|error| {
        let place = path.display().to_string();
        SetupError::new(place, format!("cannot be read: {error}"))
    })
}
