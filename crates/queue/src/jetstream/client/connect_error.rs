//! Why there is no connection.

use std::error::Error;
use std::io;

use async_nats::ConnectErrorKind;
use async_nats::rustls;
use async_nats::rustls::{CertificateError, OtherError};
use image_sync_shared::ports::QueueError;
use thiserror::Error;

use super::settings::Auth;

/// Why a connection cannot be made. None of the texts holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Settings(String),
    /// Nobody is there.
    #[error(
        "no NATS server can be reached at {servers}: {why}; start it, or name another one by --nats or NATS_URL"
    )]
    Unreachable {
        /// `HOST:PORT` of each.
        servers: String,
        /// What was found.
        why: String,
    },
    /// The server does not know the client, or not with these credentials.
    #[error("the NATS server at {servers} {}", not_accepted(shown.as_deref()))]
    Credentials {
        /// `HOST:PORT` of each.
        servers: String,
        /// What it was shown, if anything.
        shown: Option<String>,
    },
    /// There is no TLS connection.
    #[error("no TLS connection to the NATS server at {servers}: {why}")]
    Tls {
        /// `HOST:PORT` of each.
        servers: String,
        /// What was found.
        why: String,
    },
    /// The server has no JetStream, or not for this user's account.
    #[error(
        "the NATS server at {servers} has no JetStream: {why}; start it with --jetstream, or enable it in its config, for the \
         account of this user too"
    )]
    NoJetStream {
        /// `HOST:PORT` of each.
        servers: String,
        /// What was found.
        why: String,
    },
    /// The server was reached, but does not do what is asked of it.
    #[error("{0}")]
    Queue(QueueError),
}

impl ConnectError {
    pub(super) fn of(places: &str, shown: &Auth, error: &async_nats::ConnectError) -> Self {
        let servers = places.to_owned();
        let why = innermost(error);
        if let Some(why) = tls_error(error) {
            return Self::Tls { servers, why };
        }
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                let shown = shown.in_words();
                Self::Credentials { servers, shown }
            }
            ConnectErrorKind::Tls => Self::Tls { servers, why },
            _ => Self::Unreachable { servers, why },
        }
    }
}

impl ConnectError {
    /// Whether it may be over soon by itself, as when a server has been started again.
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Queue(QueueError::Unreachable(_))
        )
    }
}

/// What the server says of what it was shown, and what to do.
fn not_accepted(shown: Option<&str>) -> String {
    match shown {
        Some(shown) => format!(
            "does not accept these credentials: {shown}; expected what its config has under authorization or accounts"
        ),
        None => "wants credentials, and none are given: name them by --nats-user and --nats-password-file, --nats-creds, \
                 --nats-nkey or --nats-token-file, or by NATS_USER and NATS_PASSWORD, NATS_CREDS, NATS_NKEY or NATS_TOKEN"
            .to_owned(),
    }
}

/// What is wrong with TLS, and what to do.
fn advise(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(_) => {
            "it speaks no TLS; write nats:// in place of tls://, or set up tls in its config"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("{error}; write a name in the URL that the certificate is for"),
        rustls::Error::InvalidCertificate(
            reason @ (CertificateError::UnknownIssuer | CertificateError::Other(_)),
        ) => {
            let reason = match reason {
                // What the verifier says, which rustls shows in its debug form.
                CertificateError::Other(OtherError(why)) => why.to_string(),
                _ => "its issuer is unknown".to_owned(),
            };
            format!(
                "its certificate is not trusted ({reason}); name the file of its authority by --nats-ca or NATS_CA"
            )
        }
        other => other.to_string(),
    }
}

/// An error and what caused it, down to the first cause.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// What TLS has to say: it comes wrapped as a fault of reading or writing.
fn tls_error(error: &(dyn Error + 'static)) -> Option<String> {
    let found = chain(error).find_map(|error| {
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        inner
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            .or_else(|| error.downcast_ref::<rustls::Error>())
    });
    found.map(advise)
}

#[cfg(test)]
mod tests {
    use image_sync_shared::secret::Secret;

    use super::*;

    #[test]
    fn missing_credentials_are_told_from_wrong_ones() {
        let told = |shown: &Auth| {
            let shown = shown.in_words();
            let servers = "n:4222".to_owned();
            ConnectError::Credentials { servers, shown }.to_string()
        };
        let none = told(&Auth::None);
        assert!(
            none.contains("none are given: name them by --nats-user"),
            "{none}"
        );
        let wrong = told(&Auth::Password {
            user: "worker".to_owned(),
            password: Secret::new("hunter2"),
        });
        let start = "the NATS server at n:4222 does not accept these credentials: the user worker";
        assert!(wrong.starts_with(start), "{wrong}");
        let token = told(&Auth::Token(Secret::new("t0ken")));
        assert!(
            token.contains("a token") && !token.contains("t0ken"),
            "{token}"
        );
    }

    #[test]
    fn a_fault_of_tls_says_what_to_do() {
        let plain = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert!(advise(&plain).contains("write nats://"));
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let text = advise(&unknown);
        assert!(text.contains("by --nats-ca or NATS_CA"), "{text}");
        let other_name = rustls::Error::InvalidCertificate(CertificateError::NotValidForName);
        assert!(advise(&other_name).contains("a name in the URL"));
    }

    #[test]
    fn a_fault_of_tls_is_found_where_it_is_hidden() {
        let hidden = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError);
        assert_eq!(
            tls_error(&hidden),
            Some(rustls::Error::DecryptError.to_string())
        );
        assert_eq!(tls_error(&io::Error::other("reset")), None);
    }
}
