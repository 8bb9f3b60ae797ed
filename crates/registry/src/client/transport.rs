//! Connections that fail, in words that a person understands.

use std::error::Error;
use std::io;

use image_sync_shared::failure::FailureClass;
use reqwest::Url;
use rustls::{AlertDescription, CertificateError, OtherError};

use super::network::AddressRefused;
use super::trouble::Trouble;

/// What became of a request or a body that was cut. Names the host, never a path or a query.
pub(crate) fn explain(error: &reqwest::Error) -> Trouble {
    let host = error.url().map_or_else(|| "the host".to_owned(), authority);
    if error.is_timeout() {
        let missing = if error.is_connect() {
            "connection to"
        } else {
            "answer of"
        };
        return Trouble::new(
            FailureClass::Timeout,
            format!("no {missing} {host} in time"),
        );
    }
    if let Some(tls) = cause::<rustls::Error>(error) {
        return explain_tls(&host, tls);
    }
    let answer = match cause::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => format!("connection refused by {host}"),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            format!("connection reset by {host}")
        }
        Some(io::ErrorKind::UnexpectedEof) => format!("connection closed by {host}"),
        _ if causes(error).any(|cause| cause.to_string() == "dns error") => {
            format!("the name of {host} cannot be resolved")
        }
        // The outermost error is left out: its text holds the whole URL.
        _ => causes(error).skip(1).last().map_or_else(
            || format!("the request to {host} could not be sent"),
            |cause| format!("connection to {host} failed: {cause}"),
        ),
    };
    Trouble::new(FailureClass::Connection, answer)
}

/// Whether the host speaks something else where TLS was tried.
pub(crate) fn speaks_no_tls(error: &reqwest::Error) -> bool {
    let tls = cause::<rustls::Error>(error);
    error.is_connect() && matches!(tls, Some(rustls::Error::InvalidMessage(_)))
}

/// Whether the host has a certificate that is not trusted.
pub(crate) fn untrusted(error: &reqwest::Error) -> bool {
    let tls = cause::<rustls::Error>(error);
    error.is_connect() && matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

/// The address at which the host is and which may not be asked.
pub(crate) fn address_refused(error: &reqwest::Error) -> Option<&AddressRefused> {
    cause(error)
}

/// Whether the connection was cut before there was TLS on it.
pub(crate) fn hung_up(error: &reqwest::Error) -> bool {
    error.is_connect()
        && cause::<rustls::Error>(error).is_none()
        && cause::<io::Error>(error).is_some_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
            )
        })
}

/// Whether nothing listens where the connection was to go.
pub(crate) fn refused(error: &reqwest::Error) -> bool {
    cause::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// `HOST` or `HOST:PORT` of a URL.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn explain_tls(host: &str, error: &rustls::Error) -> Trouble {
    match error {
        rustls::Error::InvalidCertificate(reason) => Trouble::new(
            FailureClass::Denied,
            format!(
                "the certificate of {host} is not trusted: {}",
                in_words(reason)
            ),
        ),
        rustls::Error::InvalidMessage(_) => Trouble::new(
            FailureClass::Denied,
            format!("{host} speaks no TLS (plain HTTP must be allowed for it)"),
        ),
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied),
        ) => Trouble::new(
            FailureClass::Denied,
            format!("{host} does not accept the client certificate, or wants one: {alert:?}"),
        ),
        other => Trouble::new(
            FailureClass::Connection,
            format!("TLS with {host} failed: {other}"),
        ),
    }
}

fn in_words(reason: &CertificateError) -> String {
    match reason {
        // An error of ours, which rustls shows in its debug form.
        CertificateError::Other(OtherError(why)) => why.to_string(),
        other => other.to_string(),
    }
}

/// The innermost cause of a type: connectors wrap errors in others of the same type.
fn cause<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    causes(error)
        .filter_map(|cause| cause.downcast_ref())
        .last()
}

/// An error and what caused it, outermost first. An `io::Error` hides the error that it wraps from `source`.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let outermost: &(dyn Error + 'static) = error;
    std::iter::successors(Some(outermost), |&error| {
        match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}
