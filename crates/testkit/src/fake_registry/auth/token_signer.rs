//! Tokens that other programs verify: JSON Web Tokens as distribution wants them (its "Token Authentication
//! Implementation").

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use super::scopes::Scopes;

const LIFETIME_SECONDS: u64 = 3600;
/// Who signs tokens.
pub(crate) const ISSUER: &str = "image-sync-testkit";
/// Whom tokens are for.
pub(crate) const SERVICE: &str = "fake-registry";

/// A key that signs tokens, and its certificate.
#[derive(Clone)]
pub struct TokenSigner(Arc<Signer>);

struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    certificate_pem: String,
    certificate_der: Vec<u8>,
}

impl TokenSigner {
    /// A new key.
    pub fn new() -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        let random = SystemRandom::new();
        let der = key.serialize_der();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, &der, &random)
            .map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self(Arc::new(Signer {
            key,
            random,
            certificate_pem: certificate.pem(),
            certificate_der: certificate.der().to_vec(),
        })))
    }

    /// The certificate that a registry is told to trust, in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.0.certificate_pem
    }

    /// A token for these scopes; none only where the machine gives no random numbers.
    pub(crate) fn sign(&self, scopes: &Scopes, number: u64) -> Option<String> {
        let certificate = STANDARD.encode(&self.0.certificate_der);
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [certificate]});
        let now = seconds_now();
        let claims = json!({
            "iss": ISSUER,
            "sub": "",
            "aud": SERVICE,
            "iat": now,
            "nbf": now.saturating_sub(LIFETIME_SECONDS),
            "exp": now + LIFETIME_SECONDS,
            "jti": number.to_string(),
            "access": scopes.resources().map(access).collect::<Vec<Value>>(),
        });
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.0.key.sign(&self.0.random, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn access((resource, actions): (&str, Vec<&str>)) -> Value {
    let (kind, name) = resource.split_once(':').unwrap_or((resource, ""));
    json!({"type": kind, "name": name, "actions": actions})
}

#[expect(
    clippy::disallowed_methods,
    reason = "another program compares the token to its own clock"
)]
fn seconds_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
