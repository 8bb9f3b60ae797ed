//! Connecting to a NATS server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::rustls::pki_types::pem::{self, PemObject as _};
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use image_sync_shared::ports::QueueError;
use image_sync_shared::secret::Secret;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::connect_error::ConnectError;
use super::connection::{Connection, Shared, Tries};
use super::events::Events;
use super::live_client::LiveClient;
use super::servers;
use crate::jetstream::names::Names;
use crate::jetstream::names::Prefix;

/// Who a client says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Nobody in particular, or whom the URL names.
    #[default]
    None,
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Token(Secret),
    /// The seed of an nkey.
    NkeySeed(Secret),
    /// A file with a JWT and the seed of its nkey.
    CredsFile(PathBuf),
}

/// The files for TLS, all PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// A client's certificate.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
}

/// How a server is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectSettings {
    /// URLs of the servers of one cluster: `nats://HOST[:PORT]`, or `tls://HOST[:PORT]` if TLS must be used.
    pub servers: Vec<String>,
    /// The files for TLS.
    pub tls: TlsFiles,
    /// Who the client says it is.
    pub auth: Auth,
    /// Which installation on the server this is.
    pub prefix: Prefix,
    /// The name of this client, for those who look at the server.
    pub name: String,
    /// The first tokens of the subjects on which answers are received; none is `_INBOX`.
    pub inbox_prefix: Option<String>,
    /// How long the server may take to answer.
    pub request_timeout: Duration,
    /// How long a server that is away at first is waited for, as while it restarts.
    pub connect_timeout: Duration,
    /// How long the server may be away before that is a failure; what can be repeated is repeated for as long.
    pub outage: Duration,
}

impl ConnectSettings {
    /// Settings for one server, with defaults for the rest.
    #[must_use]
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            servers: vec![server.into()],
            tls: TlsFiles::default(),
            auth: Auth::default(),
            prefix: Prefix::default(),
            name: "image-sync".to_owned(),
            inbox_prefix: None,
            request_timeout: Duration::from_secs(5),
            connect_timeout: Duration::ZERO,
            outage: Duration::from_secs(30),
        }
    }
}

impl fmt::Debug for ConnectSettings {
    /// Without the servers: their URLs may hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectSettings")
            .field("tls", &self.tls)
            .field("auth", &self.auth)
            .field("prefix", &self.prefix)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// JetStream is there, but has no leader yet.
const CLUSTER_NOT_READY: u32 = 10_008;
/// How often a server that says nothing is asked for a sign of life; at the third question without an answer another one is
/// connected to.
pub(crate) const PING: Duration = Duration::from_secs(4);
/// The pause between two tries to connect.
const PAUSE: Duration = Duration::from_millis(250);

impl Connection {
    /// Connects, and makes sure that JetStream is there. A server that is away now is an error after `connect_timeout`; one
    /// that goes away later is waited for.
    pub async fn open(settings: ConnectSettings) -> Result<Self, ConnectError> {
        let (start, patience) = (Instant::now(), settings.connect_timeout);
        let mut is_told = false;
        loop {
            let error = match Box::pin(Self::open_now(settings.clone())).await {
                Err(error) if error.may_pass() && start.elapsed() < patience => error,
                opened => return opened,
            };
            if !std::mem::replace(&mut is_told, true) {
                tracing::warn!(%error, "waiting for NATS, for up to {} s", patience.as_secs());
            }
            let left = patience.saturating_sub(start.elapsed());
            sleep(left.min(PAUSE)).await;
        }
    }

    async fn open_now(settings: ConnectSettings) -> Result<Self, ConnectError> {
        let (addresses, _) = servers::parse(&settings.servers)?;
        let places = servers::places(&addresses);
        let events = Arc::new(Events::new());
        let shared = Shared {
            names: Names::new(settings.prefix.clone()),
            request_timeout: settings.request_timeout,
            outage: settings.outage,
            client: LiveClient::connect(settings, Arc::clone(&events)).await?,
            events,
            server_time: Arc::default(),
            cut_short: Mutex::default(),
            taking_out: tokio::sync::Mutex::default(),
        };
        let connection = Self {
            shared: Arc::new(shared),
        };
        connection.check_for_jetstream(&places).await?;
        Ok(connection)
    }

    async fn check_for_jetstream(&self, places: &str) -> Result<(), ConnectError> {
        let answer = self.api::<IgnoredAny>("INFO", &json!({}), Tries::One).await;
        let why = match answer {
            Ok(Ok(IgnoredAny)) => return Ok(()),
            Ok(Err(refusal)) if refusal.err_code == CLUSTER_NOT_READY => {
                let error = refusal.refusing("JetStream");
                return Err(ConnectError::Queue(error));
            }
            Ok(Err(refusal)) => refusal.description,
            Err(QueueError::Unreachable(_)) if !self.is_jetstream_listening().await => {
                "nobody answers to $JS.API.INFO".to_owned()
            }
            Err(error) => return Err(ConnectError::Queue(error)),
        };
        Err(ConnectError::NoJetStream {
            servers: places.to_owned(),
            why,
        })
    }

    /// A server without JetStream says at once that nobody listens.
    async fn is_jetstream_listening(&self) -> bool {
        let Ok(client) = self.client().await else {
            return true;
        };
        let asked = client.request("$JS.API.INFO", "".into()).await;
        !asked.is_err_and(|error| error.kind() == async_nats::RequestErrorKind::NoResponders)
    }
}

/// What the library is told of these settings; `url_auth` is who the client is unless they say so.
pub(crate) async fn options(
    settings: &ConnectSettings,
    url_auth: Auth,
) -> Result<ConnectOptions, ConnectError> {
    let auth = match settings.auth.clone() {
        Auth::None => url_auth,
        auth => auth,
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_show_no_secret() {
        let settings = ConnectSettings {
            auth: Auth::Token(Secret::new("hunter2")),
            ..ConnectSettings::new("nats://me:hunter2@localhost")
        };
        let shown = format!("{settings:?}");
        assert!(
            shown.contains("imgsync") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
