//! What a config says of those that send events of registries.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Who sends events: each has its own payloads, and its own ways to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sender {
    /// CNCF distribution (`docker-registry`, `registry`).
    Distribution,
    /// Harbor.
    Harbor,
    /// Docker Hub.
    DockerHub,
    /// Quay.
    Quay,
    /// GitHub, for its container registry.
    GitHub,
    /// zot.
    Zot,
    /// Amazon ECR, by `EventBridge`.
    Ecr,
    /// Google Artifact Registry, by Pub/Sub.
    Gcp,
    /// Azure Container Registry.
    Acr,
    /// Whoever writes this program's own form.
    Generic,
}

impl Sender {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Distribution,
        Self::Harbor,
        Self::DockerHub,
        Self::Quay,
        Self::GitHub,
        Self::Zot,
        Self::Ecr,
        Self::Gcp,
        Self::Acr,
        Self::Generic,
    ];

    /// Its name in paths, in the config and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::Harbor => "harbor",
            Self::DockerHub => "dockerhub",
            Self::Quay => "quay",
            Self::GitHub => "github",
            Self::Zot => "zot",
            Self::Ecr => "ecr",
            Self::Gcp => "gcp",
            Self::Acr => "acr",
            Self::Generic => "generic",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sender| sender.name() == name)
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The senders whose events are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhooks {
    /// Each with its registries, where it may speak for several.
    pub senders: BTreeMap<Sender, Vec<WebhookSettings>>,
    /// The file with the secret of scripts that enqueue images and read what came; none for neither.
    pub api_secret_file: Option<PathBuf>,
}

/// One sender, for one registry or for all that its payloads name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// The host of the registry that it speaks for, in place of what its payloads say.
    pub registry: Option<String>,
    /// How it proves who it is.
    pub proof: WebhookProof,
}

/// How a sender proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookProof {
    /// By a secret, in the way that it is able to: as a signature of the body, in a header, or in the path.
    Secret(SecretProof),
    /// By a certificate of its own, signed by those that the server trusts.
    ClientCertificate,
    /// By a token of its identity provider (`OpenID` Connect).
    Oidc(OidcProof),
}

/// A secret that a sender has too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretProof {
    /// The file: a secret in each line, at most two of them, so that one can follow another.
    pub file: PathBuf,
    /// The user name of Basic credentials, if it has to be a certain one.
    pub username: Option<String>,
    /// The header that has the secret, in place of `Authorization`.
    pub header: Option<String>,
}

/// Whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProof {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// `email`, verified.
    pub email: String,
    /// Where its public keys are (RFC 7517).
    pub keys: OidcKeys,
}

/// Where the public keys of an identity provider are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OidcKeys {
    /// In a file.
    File(PathBuf),
    /// At an address, `https://...`.
    Url(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_known_by_its_name() {
        for sender in Sender::ALL {
            assert_eq!(Sender::of_name(sender.name()), Some(sender));
        }
        assert_eq!(Sender::of_name("nobody"), None);
    }
}
