//! Connections that fail, in words that a person understands.

use std::error::Error;
use std::io;

use hyper_util::client::legacy;
use image_sync_shared::failure::FailureClass;
use rustls::{AlertDescription, CertificateError, OtherError};

use super::informational::TooManyInformational;
use crate::http::RequestError;
use crate::http::network::AddressRefused;
use crate::http::url::authority;

/// Any error, of which the causes are looked at.
type AnyError = dyn Error + 'static;

/// What became of a body that was cut. Names the host, never a path or a query.
pub(crate) fn explain_cut(error: &reqwest::Error) -> RequestError {
    let host = error.url().map_or_else(|| "the host".to_owned(), authority);
    explain(&host, error)
}

/// What became of a request to `host`, or of a body. Names the host, never a path or a query.
pub(crate) fn explain(host: &str, error: &AnyError) -> RequestError {
    if let Some(too_many) = cause::<TooManyInformational>(error) {
        return RequestError::new(FailureClass::Invalid, format!("{host} sent {too_many}"));
    }
    if is_timeout(error) {
        let missing = if is_connect(error) {
            "connection to"
        } else {
            "answer of"
        };
        return RequestError::new(
            FailureClass::Timeout,
            format!("no {missing} {host} in time"),
        );
    }
    if let Some(tls) = cause::<rustls::Error>(error) {
        return explain_tls(host, tls);
    }
    let answer = match cause::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => format!("connection refused by {host}"),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            format!("connection reset by {host}")
        }
        Some(io::ErrorKind::UnexpectedEof) => format!("connection closed by {host}"),
        // hyper-util tells this by its text alone.
        _ if causes(error).any(|cause| cause.to_string() == "dns error") => {
            format!("the name of {host} cannot be resolved")
        }
        // The text of one of reqwest holds the whole URL.
        _ => causes(error)
            .filter(|cause| !cause.is::<reqwest::Error>())
            .last()
            .map_or_else(
                || format!("the request to {host} could not be sent"),
                |cause| format!("connection to {host} failed: {cause}"),
            ),
    };
    RequestError::new(FailureClass::Connection, answer)
}

/// Whether the host speaks something else where TLS was tried.
pub(crate) fn speaks_no_tls(error: &AnyError) -> bool {
    let tls = cause::<rustls::Error>(error);
    is_connect(error) && matches!(tls, Some(rustls::Error::InvalidMessage(_)))
}

/// Whether the host has a certificate that is not trusted.
pub(crate) fn untrusted(error: &AnyError) -> bool {
    let tls = cause::<rustls::Error>(error);
    is_connect(error) && matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

/// The address at which the host is and which may not be asked.
pub(crate) fn address_refused(error: &AnyError) -> Option<&AddressRefused> {
    cause(error)
}

/// Whether the connection was cut before there was TLS on it.
pub(crate) fn hung_up(error: &AnyError) -> bool {
    is_connect(error) && cause::<rustls::Error>(error).is_none() && cut(error)
}

/// Whether the connection was cut.
pub(crate) fn cut(error: &AnyError) -> bool {
    let by_system = cause::<io::Error>(error).is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
        )
    });
    by_system || cause::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message)
}

/// Whether nothing listens where the connection was to go.
pub(crate) fn refused(error: &AnyError) -> bool {
    cause::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn explain_tls(host: &str, error: &rustls::Error) -> RequestError {
    match error {
        rustls::Error::InvalidCertificate(reason) => RequestError::new(
            FailureClass::Denied,
            format!(
                "the certificate of {host} is not trusted: {}",
                in_words(reason)
            ),
        ),
        rustls::Error::InvalidMessage(_) => RequestError::new(
            FailureClass::Denied,
            format!(
                "{host} speaks no TLS; to ask it on plain HTTP, write plain_http: true for it under registries, or http:// \
                 in its endpoint"
            ),
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
        ) => RequestError::new(
            FailureClass::Denied,
            format!("{host} does not accept the client certificate, or wants one: {alert:?}"),
        ),
        other => RequestError::new(
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

/// Whether it happened before there was a connection to send on.
fn is_connect(error: &AnyError) -> bool {
    let mut causes = causes(error).filter_map(|cause| cause.downcast_ref());
    causes.any(legacy::Error::is_connect)
}

fn is_timeout(error: &AnyError) -> bool {
    causes(error).any(|cause| {
        let of_io = cause.downcast_ref().map(io::Error::kind);
        of_io == Some(io::ErrorKind::TimedOut)
            || cause.downcast_ref().is_some_and(hyper::Error::is_timeout)
    })
}

/// The innermost cause of a type: connectors wrap errors in others of the same type.
fn cause<E: Error + 'static>(error: &AnyError) -> Option<&E> {
    causes(error)
        .filter_map(|cause| cause.downcast_ref())
        .last()
}

/// An error and what caused it, outermost first. An `io::Error` hides the error that it wraps from `source`.
fn causes(error: &AnyError) -> impl Iterator<Item = &AnyError> {
    std::iter::successors(Some(error), |&error| {
        match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped as &AnyError),
            None => error.source(),
        }
    })
}
