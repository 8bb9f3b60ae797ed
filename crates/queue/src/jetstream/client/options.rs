//! What the NATS client library is told of the settings: TLS and credentials, whose files are looked at first, for its own
//! errors name none.

use std::path::Path;

use async_nats::ConnectOptions;
use async_nats::rustls::pki_types::pem::{self, PemObject as _};
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::connect_error::ConnectError;
use super::settings::{Auth, ConnectSettings, PING, TlsFiles};

/// What the library is told of these settings, and of who the client is.
pub(crate) async fn options(
    settings: &ConnectSettings,
    auth: Auth,
) -> Result<ConnectOptions, ConnectError> {
    let mut options = ConnectOptions::new()
        .name(&settings.name)
        .connection_timeout(settings.request_timeout)
        .ping_interval(PING);
    if let Some(prefix) = &settings.inbox_prefix {
        options = options.custom_inbox_prefix(prefix);
    }
    with_auth(with_tls(options, &settings.tls)?, auth).await
}

fn with_tls(mut options: ConnectOptions, tls: &TlsFiles) -> Result<ConnectOptions, ConnectError> {
    if tls.cert_file.is_some() != tls.key_file.is_some() {
        return Err(ConnectError::Settings(
            "a client's certificate and its key belong together: one of the two is missing"
                .to_owned(),
        ));
    }
    for file in [&tls.ca_file, &tls.cert_file].into_iter().flatten() {
        let mut certificates = pem(file, CertificateDer::pem_file_iter(file))?;
        let first = certificates.next().unwrap_or(Err(pem::Error::NoItemsFound));
        pem(file, first)?;
    }
    if let Some(ca) = &tls.ca_file {
        options = options.add_root_certificates(ca.clone());
    }
    if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
        pem(key, PrivateKeyDer::from_pem_file(key))?;
        options = options.add_client_certificate(cert.clone(), key.clone());
    }
    Ok(options)
}

async fn with_auth(options: ConnectOptions, auth: Auth) -> Result<ConnectOptions, ConnectError> {
    Ok(match auth {
        Auth::None => options,
        Auth::Password { user, password } => {
            options.user_and_password(user, password.reveal().to_owned())
        }
        Auth::Token(token) => options.token(token.reveal().to_owned()),
        Auth::NkeySeed(seed) => {
            let seed = seed.reveal().trim();
            let unusable = |_secret| {
                ConnectError::Settings(
                    "the seed of the nkey is none, expected 58 characters that begin with SU"
                        .to_owned(),
                )
            };
            nkeys::KeyPair::from_seed(seed).map_err(unusable)?;
            options.nkey(seed.to_owned())
        }
        Auth::CredsFile(file) => {
            check_readable(&file)?;
            let unusable = |_secret| {
                let file = file.display();
                ConnectError::Settings(format!(
                    "{file} is no credentials file with a JWT and an nkey seed"
                ))
            };
            let text = tokio::fs::read_to_string(&file).await.map_err(unusable)?;
            // The parser wants a newline at the end, which what is mounted from a store of secrets often lacks.
            options
                .credentials(&format!("{text}\n"))
                .map_err(unusable)?
        }
    })
}

/// What was read of a PEM file.
fn pem<T>(file: &Path, read: Result<T, pem::Error>) -> Result<T, ConnectError> {
    let file = file.display();
    read.map_err(|error| {
        ConnectError::Settings(match error {
            pem::Error::Io(error) => format!("{file} cannot be read: {error}"),
            pem::Error::NoItemsFound => {
                format!("{file} holds nothing of the kind that is expected of it in PEM")
            }
            error => format!("{file} is no valid PEM: {error}"),
        })
    })
}

fn check_readable(file: &Path) -> Result<(), ConnectError> {
    std::fs::read(file).map(drop).map_err(|error| {
        ConnectError::Settings(format!("{} cannot be read: {error}", file.display()))
    })
}
