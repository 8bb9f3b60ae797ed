//! Why there is no connection.

use std::error::Error;
use std::io;

use async_nats::ConnectErrorKind;
use async_nats::rustls;
use image_sync_shared::ports::QueueError;
use thiserror::Error;

/// Why a connection cannot be made. None of the texts holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Settings(String),
    /// Nobody is there.
    #[error("no NATS server can be reached at {servers}: {why}")]
    Unreachable {
        /// `HOST:PORT` of each.
        servers: String,
        /// What was found.
        why: String,
    },
    /// The server does not know the client, or not with these credentials.
    #[error("the NATS server at {servers} does not accept these credentials")]
    Credentials {
        /// `HOST:PORT` of each.
        servers: String,
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
    #[error("the NATS server at {servers} has no JetStream: {why}")]
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
    pub(crate) fn of(places: &str, error: &async_nats::ConnectError) -> Self {
        let servers = places.to_owned();
        let why = innermost(error);
        if let Some(why) = tls_error(error) {
            return Self::Tls { servers, why };
        }
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                Self::Credentials { servers }
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
    found.map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

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
