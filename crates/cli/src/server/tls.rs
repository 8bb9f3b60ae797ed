//! HTTPS: the certificate that is served, read again when its files change, as they do when it is renewed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_sync_shared::panics::lock;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::process::file_stamp::{FileStamp, stamp_of};

/// How often it is looked at whether the files changed, at most.
const LOOK: Duration = Duration::from_secs(1);

/// What is served, and whom is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// PEM file with the certificate, and those that signed it.
    pub(crate) cert: PathBuf,
    /// PEM file with its key.
    pub(crate) key: PathBuf,
    /// PEM file with the authorities whose client certificates are trusted.
    pub(crate) client_ca: Option<PathBuf>,
}

/// A file cannot be used.
#[derive(Debug, Error)]
#[error("{}: {reason}", path.display())]
pub(crate) struct TlsError {
    path: PathBuf,
    reason: String,
}

struct Served {
    config: Arc<ServerConfig>,
    stamps: Vec<FileStamp>,
    looked: Instant,
}

/// The files, and what was read from them last.
pub(crate) struct Tls {
    files: TlsFiles,
    served: Mutex<Served>,
}

impl Tls {
    /// Reads the files, so that what is wrong with them is told before anything is served.
    pub(crate) fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let served = Served {
            stamps: stamps(&files),
            config: Arc::new(config(&files)?),
            looked: Instant::now(),
        };
        Ok(Self {
            files,
            served: Mutex::new(served),
        })
    }

    /// What makes the next connection. Files that changed and cannot be used leave what was read before.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut served = lock(&self.served);
        if served.looked.elapsed() >= LOOK {
            served.looked = Instant::now();
            let stamps = stamps(&self.files);
            if stamps != served.stamps {
                served.stamps = stamps;
                match config(&self.files) {
                    Ok(config) => {
                        served.config = Arc::new(config);
                        info!("the certificate of the server was read again");
                    }
                    Err(error) => warn!(%error, "the former certificate is still served"),
                }
            }
        }
        TlsAcceptor::from(Arc::clone(&served.config))
    }
}

fn stamps(files: &TlsFiles) -> Vec<FileStamp> {
    let paths = [
        Some(&files.cert),
        Some(&files.key),
        files.client_ca.as_ref(),
    ];
    paths
        .into_iter()
        .flatten()
        .map(|path| stamp_of(path))
        .collect()
}

fn config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&files.cert, error))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|error| unusable(path, error))?;
            }
            // Not every client needs one: probes have none.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| unusable(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&files.key);
    let key = key.map_err(|error| unusable(&files.key, error))?;
    builder
        .with_single_cert(certificates(&files.cert)?, key)
        .map_err(|error| unusable(&files.cert, error))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.map_err(|error| unusable(path, error))?;
    if all.is_empty() {
        let none = io::Error::other("found no certificate, expected PEM with BEGIN CERTIFICATE");
        return Err(unusable(path, none));
    }
    Ok(all)
}

fn unusable(path: &Path, reason: impl fmt::Display) -> TlsError {
    TlsError {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests;
