//! How a server is reached, and who a client says it is.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use image_sync_shared::secret::Secret;

use crate::jetstream::names::Prefix;

/// How often a server that says nothing is asked for a sign of life; at the third question without an answer another one is
/// connected to.
pub(crate) const PING: Duration = Duration::from_secs(4);

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

impl Auth {
    /// What it is, without the secret; none if it is nobody.
    pub(super) fn in_words(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Password { user, .. } => Some(format!("the user {user} and a password")),
            Self::Token(_) => Some("a token".to_owned()),
            Self::NkeySeed(_) => Some("the seed of an nkey".to_owned()),
            Self::CredsFile(file) => Some(format!("the file {}", file.display())),
        }
    }
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
