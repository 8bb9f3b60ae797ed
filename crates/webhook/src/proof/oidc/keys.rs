//! A set of JSON Web Keys (RFC 7517, section 5), of which those of RSA for RS256 count.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::IdentityKeys;
use crate::proof::ProofError;
use crate::proof::watched_file::WatchedFile;

const MOST_BYTES: usize = 64 * 1024;

/// Public keys, each with its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwkSet(Vec<PublicKey>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct PublicKey {
    id: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// A key as a set has it (RFC 7517, section 4; RFC 7518, section 6.3.1).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    n: String,
    e: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    use_for: Option<String>,
}

impl JwkSet {
    /// The most bytes that a set may have.
    pub const MOST_BYTES: usize = MOST_BYTES;

    /// Reads a set. Keys of other kinds and for other uses are passed over; an error says what the set lacks.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        if json.len() > MOST_BYTES {
            return Err(format!("the set of keys has more than {MOST_BYTES} bytes"));
        }
        let no_set = "it is no set of keys; expected an object with a list keys (RFC 7517)";
        let set: Option<Set> = serde_json::from_slice(json).ok();
        let set = set.ok_or_else(|| no_set.to_owned())?;
        let keys = set.keys.into_iter().filter_map(PublicKey::of);
        let keys: Vec<PublicKey> = keys.collect();
        if keys.is_empty() {
            return Err("no key in it is one of RSA for RS256 with a kid; expected one".to_owned());
        }
        Ok(Self(keys))
    }

    /// Whether the key of this name has signed `message`; none where there is no such key.
    pub(super) fn verify(&self, id: &str, message: &[u8], signature: &[u8]) -> Option<bool> {
        let mut keys = self.0.iter().filter(|key| key.id == id).peekable();
        keys.peek()?;
        Some(keys.any(|key| key.verify(message, signature)))
    }
}

impl PublicKey {
    fn of(json: Value) -> Option<Self> {
        let key: Jwk = serde_json::from_value(json).ok()?;
        let is = |found: Option<&str>, expected| found.is_none_or(|found| found == expected);
        let fits = key.kty == "RSA"
            && is(key.alg.as_deref(), "RS256")
            && is(key.use_for.as_deref(), "sig");
        let number = |text: &str| -> Option<Vec<u8>> {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            let begin = bytes.iter().position(|byte| *byte != 0)?;
            Some(bytes[begin..].to_vec())
        };
        Some(Self {
            id: Some(key.kid).filter(|_| fits)?,
            modulus: number(&key.n)?,
            exponent: number(&key.e)?,
        })
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = RsaPublicKeyComponents {
            n: &self.modulus,
            e: &self.exponent,
        };
        let verified = key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature);
        verified.is_ok()
    }
}

/// The keys in a file, which is read again when it changes.
pub struct KeysFile(WatchedFile<JwkSet>);

impl KeysFile {
    /// Those of `file`.
    pub fn open(file: &Path) -> Result<Self, ProofError> {
        let parse = |text: &str| JwkSet::parse(text.as_bytes());
        Ok(Self(WatchedFile::open(file, MOST_BYTES, parse)?))
    }
}

#[async_trait]
impl IdentityKeys for KeysFile {
    async fn keys(&self, _again: bool, now: OffsetDateTime) -> Result<Arc<JwkSet>, String> {
        Ok(self.0.current(now))
    }
}

/// One key that has signed nothing, named `k`.
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::proof) struct Fixed(Arc<JwkSet>);

#[cfg(any(test, feature = "fuzzing"))]
impl Default for Fixed {
    fn default() -> Self {
        let key = PublicKey {
            id: "k".to_owned(),
            modulus: vec![0xc5; 256],
            exponent: vec![1, 0, 1],
        };
        Self(Arc::new(JwkSet(vec![key])))
    }
}

#[cfg(any(test, feature = "fuzzing"))]
#[async_trait]
impl IdentityKeys for Fixed {
    async fn keys(&self, _again: bool, _now: OffsetDateTime) -> Result<Arc<JwkSet>, String> {
        Ok(Arc::clone(&self.0))
    }
}
