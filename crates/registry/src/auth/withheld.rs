//! Credentials that are configured and yet not shown, and what to write so that they are.

use reqwest::Url;

use super::{AuthRequest, HostInfo, realm};
use crate::http::url::{authority, same_origin};

/// Why credentials are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// It is not proven who the registry is, and no one wrote that it need not be.
    Unverified {
        /// Whether it speaks TLS, with a certificate that is not trusted.
        tls: bool,
    },
    /// The token server, which is at this origin, belongs to someone else.
    ForeignRealm(String),
}

impl Withheld {
    /// Why the registry itself is not shown credentials. What is on loopback needs no proof.
    pub(crate) fn from_registry(
        server: &HostInfo,
        requires_verification: bool,
        on_loopback: bool,
    ) -> Option<Self> {
        let tls = server.base.scheme() == "https";
        let is_proven = tls && !server.unverified;
        (requires_verification && !is_proven && !on_loopback).then_some(Self::Unverified { tls })
    }

    /// Why the token server that the registry names is not shown credentials.
    pub(crate) fn from_realm(request: &AuthRequest<'_>, base: &Url, realm: &Url) -> Option<Self> {
        let is_named = |named: &Url| same_origin(named, realm);
        // Credentials are those for the host; where it is can be another one.
        let host = format!("https://{}", request.host).parse();
        let belongs = realm::belongs_to(realm, base)
            || host.is_ok_and(|host| realm::belongs_to(realm, &host))
            || request.token_realm.is_some_and(is_named);
        (!belongs).then(|| Self::ForeignRealm(format!("{}://{}", realm.scheme(), authority(realm))))
    }

    /// What to tell of `credentials` for `host`.
    pub(crate) fn explain(&self, credentials: &str, host: &str) -> String {
        match self {
            Self::Unverified { tls } => {
                let why = if *tls {
                    "has a certificate that is not trusted"
                } else {
                    "speaks plain HTTP"
                };
                format!(
                    "without the {credentials}, as {host} {why}; to send them all the same, add to the config: \
                     registries: {{\"{host}\": {{insecure: true}}}} (or settings: {{cache_insecure: true}})"
                )
            }
            Self::ForeignRealm(realm) => format!(
                "without the {credentials}, as the token server {realm} is in another domain than {host}; if it is the \
                 right one, add to the config: registries: {{\"{host}\": {{token_realm: \"{realm}\"}}}}"
            ),
        }
    }
}
