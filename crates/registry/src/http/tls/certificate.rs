//! What a certificate that is not trusted says (RFC 5280, section 4.1.2), in words.

use std::error::Error;
use std::fmt;

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate, X509Name};

use crate::http::redaction::presentable;

/// How many names of a certificate are told.
const MAX_NAMES: usize = 5;

/// Why a certificate is not trusted, with what it says itself.
#[derive(Debug)]
pub(crate) struct Untrusted {
    words: String,
}

impl Untrusted {
    /// What is wrong with `certificate`.
    pub(crate) fn new(reason: &CertificateError, certificate: &CertificateDer<'_>) -> Self {
        let parsed = X509Certificate::from_der(certificate).ok();
        let words = match parsed {
            Some((_, parsed)) => in_words(reason, &parsed),
            None => reason.to_string(),
        };
        // Its names are the server's own words.
        Self {
            words: presentable(&words),
        }
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Error for Untrusted {}

fn in_words(reason: &CertificateError, certificate: &X509Certificate<'_>) -> String {
    let (subject, issuer) = (name(certificate.subject()), name(certificate.issuer()));
    let hint = "expected one that the system trusts, or its authority in the ca_file of the host under registries";
    match reason {
        CertificateError::UnknownIssuer if certificate.subject() == certificate.issuer() => {
            format!("its issuer is unknown: it is signed by itself, as {subject}; {hint}")
        }
        CertificateError::UnknownIssuer => format!("its issuer is unknown: {issuer}; {hint}"),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            match names(certificate).as_slice() {
                [] => format!(
                    "it is for another name: it has no subject alternative names, and its subject, {subject}, does not count"
                ),
                names => format!("it is for another name: {}", names.join(", ")),
            }
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => format!(
            "it has expired on {} ({subject})",
            date(certificate.validity().not_after.to_datetime())
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => format!(
            "it is not valid before {} ({subject}); the clock here may be wrong",
            date(certificate.validity().not_before.to_datetime())
        ),
        _ if certificate.is_ca() => format!(
            "it is that of an authority, {subject}, which is trusted only where that very certificate is in the ca_file of \
             the host under registries, or among those of the system"
        ),
        other => format!("{other} ({subject}, issued by {issuer})"),
    }
}

/// The names and addresses it is for.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extensions = certificate.extensions().iter();
    let names = extensions.filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
        _ => None,
    });
    let names = names.flatten().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    let mut names: Vec<String> = names.collect();
    if names.len() > MAX_NAMES {
        let more = names.len() - MAX_NAMES;
        names.truncate(MAX_NAMES);
        names.push(format!("and {more} more"));
    }
    names
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from));
    address.ok().map(|address| address.to_string())
}

fn name(name: &X509Name<'_>) -> String {
    match name.to_string() {
        empty if empty.is_empty() => "an empty name".to_owned(),
        name => name,
    }
}

fn date(time: OffsetDateTime) -> String {
    time.date().to_string()
}

/// Whether `certificate` is valid at `now`; one that cannot be read is not.
pub(crate) fn is_in_time(certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| {
        let validity = parsed.validity();
        (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
    })
}
