//! Whether a request comes from whom it says: a signature, a secret, a certificate or a token that only its sender has.
//!
//! All that is wrong is refused in the same way, and takes as much work as what is right: secrets are compared by their
//! codes, each with each, whichever fits.

mod authorization;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod oidc;
mod secrets;
mod signature;
mod watched_file;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};
use image_sync_shared::config::webhooks::{OidcKeys, OidcProof, SecretProof, Sender, WebhookProof};
use image_sync_shared::secret::Secret;
use image_sync_shared::text::excerpt;
use thiserror::Error;
use time::OffsetDateTime;

use oidc::Oidc;
pub use oidc::{IdentityKeys, JwkSet, KeysFile};
use secrets::{Alphabet, Secrets};
pub use signature::SIGNATURE;

/// What is known of a request before its body is read.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// What its path has behind the sender's name, as bytes were decoded.
    pub path_secret: Option<&'a str>,
    /// Whether the connection has a certificate of a client that is trusted.
    pub client_certificate: bool,
    /// When it came.
    pub now: OffsetDateTime,
}

/// What a head proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is its sender's.
    Proven,
    /// The body has to be read: it is signed.
    NeedsBody,
    /// It is nobody's.
    Refused,
}

/// How one sender proves who it is.
#[derive(Debug)]
pub struct Proof(Method);

#[derive(Debug)]
enum Method {
    Authorization {
        secrets: Secrets,
        username: Option<String>,
        is_in_path_too: bool,
    },
    Header {
        secrets: Secrets,
        name: HeaderName,
    },
    Path(Secrets),
    Signature(Secrets),
    ClientCertificate,
    Oidc(Oidc),
}

/// What a request needs to be proven; for trying out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// A header and its value.
    pub header: Option<(HeaderName, Secret)>,
    /// What its path has behind the sender's name.
    pub path_secret: Option<Secret>,
}

/// Why a sender cannot prove itself as a config says: the file or the setting, what was found there, and what was expected. Never has
/// a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ProofError(String);

impl Proof {
    /// That of `sender`, as a config says. The keys at an address come from whatever `keys_at` makes of it.
    pub fn new(
        sender: Sender,
        proof: &WebhookProof,
        keys_at: &dyn Fn(&str) -> Arc<dyn IdentityKeys>,
    ) -> Result<Self, ProofError> {
        can_be_proven_by(sender, proof).map_err(ProofError)?;
        let method = match proof {
            WebhookProof::Secret(proof) => by_secret(sender, proof)?,
            WebhookProof::ClientCertificate => Method::ClientCertificate,
            WebhookProof::Oidc(OidcProof {
                issuer,
                audience,
                email,
                keys,
            }) => Method::Oidc(Oidc {
                issuer: issuer.clone(),
                audience: audience.clone(),
                email: email.clone(),
                keys: match keys {
                    OidcKeys::File(file) => Arc::new(KeysFile::open(file)?),
                    OidcKeys::Url(url) => keys_at(url),
                },
            }),
        };
        Ok(Self(method))
    }

    /// That of scripts: a secret of `file` in `Authorization`.
    pub fn by_authorization(file: &Path) -> Result<Self, ProofError> {
        Ok(Self(Method::Authorization {
            secrets: Secrets::open(file, Alphabet::Any)?,
            username: None,
            is_in_path_too: false,
        }))
    }

    /// That of a sender that is not known, which nothing fulfils and which takes as much work as another.
    #[must_use]
    pub fn of_nobody() -> Self {
        Self(Method::Authorization {
            secrets: Secrets::of_nobody(),
            username: None,
            is_in_path_too: true,
        })
    }

    /// What the head of a request proves.
    pub async fn before_body(&self, head: &Head<'_>) -> Verdict {
        let is_proven = match &self.0 {
            Method::Authorization {
                secrets,
                username,
                is_in_path_too,
            } => {
                let [whole, bearer, password] =
                    authorization::secrets_in(head.headers, username.as_deref());
                let path = head.path_secret.filter(|_| *is_in_path_too);
                let path = path.unwrap_or_default().as_bytes();
                secrets.have_one_of(&[&whole, &bearer, &password, path], head.now)
            }
            Method::Header { secrets, name } => {
                let value = only(head.headers, name).map(HeaderValue::as_bytes);
                secrets.have_one_of(&[value.unwrap_or_default()], head.now)
            }
            Method::Path(secrets) => {
                let path = head.path_secret.unwrap_or_default();
                secrets.have_one_of(&[path.as_bytes()], head.now)
            }
            Method::Signature(_) => {
                return match signature::of(head.headers) {
                    Some(_) => Verdict::NeedsBody,
                    None => Verdict::Refused,
                };
            }
            Method::ClientCertificate => head.client_certificate,
            Method::Oidc(oidc) => oidc.proves(head.headers, head.now).await,
        };
        if is_proven {
            Verdict::Proven
        } else {
            Verdict::Refused
        }
    }

    /// Whether a request proves it whose body was needed.
    #[must_use]
    pub fn with_body(&self, head: &Head<'_>, body: &[u8]) -> bool {
        match &self.0 {
            Method::Signature(secrets) => {
                let signature = signature::of(head.headers).unwrap_or_default();
                secrets.have_signed(body, &signature, head.now)
            }
            _ => false,
        }
    }

    /// What a request with this body needs, where a secret proves it.
    #[must_use]
    pub fn credentials(&self, body: &[u8], now: OffsetDateTime) -> Option<Credentials> {
        let in_header = |name: &HeaderName, value| Credentials {
            header: Some((name.clone(), value)),
            path_secret: None,
        };
        match &self.0 {
            Method::Authorization {
                secrets, username, ..
            } => {
                let secret = secrets.first(now)?;
                let value = match username {
                    Some(username) => authorization::basic(username, &secret),
                    None => secret,
                };
                Some(in_header(&AUTHORIZATION, value))
            }
            Method::Header { secrets, name } => Some(in_header(name, secrets.first(now)?)),
            Method::Path(secrets) => Some(Credentials {
                header: None,
                path_secret: secrets.first(now),
            }),
            Method::Signature(secrets) => {
                let value = signature::with(&secrets.first(now)?, body);
                Some(in_header(&SIGNATURE, Secret::new(value)))
            }
            Method::ClientCertificate | Method::Oidc(_) => None,
        }
    }
}

fn by_secret(sender: Sender, proof: &SecretProof) -> Result<Method, ProofError> {
    let secrets = |alphabet| Secrets::open(&proof.file, alphabet);
    let name = proof.header.as_deref().map(header_name).transpose();
    let name = name.map_err(ProofError)?;
    Ok(match sender {
        Sender::GitHub => Method::Signature(secrets(Alphabet::Any)?),
        Sender::DockerHub | Sender::Quay => Method::Path(secrets(Alphabet::OfPaths)?),
        _ => match name.filter(|name| *name != AUTHORIZATION) {
            Some(name) => Method::Header {
                secrets: secrets(Alphabet::Any)?,
                name,
            },
            None => Method::Authorization {
                secrets: secrets(Alphabet::Any)?,
                username: proof.username.clone(),
                is_in_path_too: sender == Sender::Generic,
            },
        },
    })
}

/// Whether `sender` is able to prove itself so; an error says how it is.
pub fn can_be_proven_by(sender: Sender, proof: &WebhookProof) -> Result<(), String> {
    let instead = match sender {
        Sender::Gcp => "oidc",
        _ => "secret_file",
    };
    match (proof, sender) {
        (WebhookProof::Secret(_), Sender::Gcp) => {
            Err(format!("{sender} has no secret; expected {instead}"))
        }
        (WebhookProof::Secret(proof), _) => fits(sender, proof),
        (WebhookProof::ClientCertificate, Sender::Quay | Sender::Zot | Sender::Generic)
        | (WebhookProof::Oidc(_), Sender::Gcp | Sender::Generic) => Ok(()),
        (WebhookProof::ClientCertificate, _) => Err(format!(
            "{sender} has no client certificate; expected {instead}"
        )),
        (WebhookProof::Oidc(_), _) => Err(format!(
            "{sender} has no token of an identity provider; expected {instead}"
        )),
    }
}

/// Whether `sender` can have its secret where a config says that it is.
fn fits(sender: Sender, proof: &SecretProof) -> Result<(), String> {
    let (username, header) = (proof.username.as_ref(), proof.header.as_ref());
    let has_neither = |way: &str| match (username, header) {
        (Some(_), _) => Err(format!("{sender} {way}; expected no username")),
        (_, Some(_)) => Err(format!("{sender} {way}; expected no header")),
        _ => Ok(()),
    };
    match (sender, header) {
        (Sender::GitHub, _) => has_neither("signs what it sends with its secret"),
        (Sender::DockerHub | Sender::Quay, _) => has_neither("has its secret in the path"),
        (Sender::Harbor, Some(_)) => Err(format!(
            "{sender} has its secret in the header Authorization; expected no header"
        )),
        (_, Some(name)) => {
            let name = header_name(name)?;
            if username.is_some() && name != AUTHORIZATION {
                let why = "a username is part of the header Authorization; expected no username, or no header";
                return Err(why.to_owned());
            }
            Ok(())
        }
        (_, None) => Ok(()),
    }
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
    parsed.ok_or_else(|| {
        let found = excerpt(name);
        format!("{found:?} is no name of a header; expected one as in X-Api-Key")
    })
}

/// The value of a header that a request has once. Of two, whoever is in between may have looked at the other one.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

impl ProofError {
    fn of_file(file: &Path, why: impl fmt::Display) -> Self {
        Self(format!(
            "{}: {why}",
            image_sync_shared::text::bounded(file.display())
        ))
    }
}

#[cfg(test)]
mod tests;
