//! Content digests (OCI image spec, descriptor.md, section "Digests").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};
use thiserror::Error;

use crate::text;

/// A digest whose algorithm is known and whose encoded part has the length of that algorithm.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// The registered algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256, what every registry uses.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// What is wrong with a text that should be a digest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{found:?} is not a digest: expected sha256: and 64, or sha512: and 128, lowercase hexadecimal digits"
)]
pub struct InvalidDigest {
    found: String,
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm that the digest was made with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        if self.0.starts_with("sha512:") {
            Algorithm::Sha512
        } else {
            Algorithm::Sha256
        }
    }

    /// The encoded part, without the algorithm.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The whole text, as in `sha256:...`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the algorithm, as it stands before the colon.
    #[must_use]
    pub fn algorithm_name(&self) -> &'static str {
        match self.algorithm() {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// The algorithm and the first twelve digits: enough for a person to tell blobs apart.
    #[must_use]
    pub fn short(&self) -> &str {
        let end = self.algorithm_name().len() + 1 + 12;
        &self.0[..end]
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = match text.split_once(':') {
            Some(("sha256", _)) => 64,
            Some(("sha512", _)) => 128,
            _ => {
                return Err(InvalidDigest {
                    found: text::excerpt(text),
                });
            }
        };
        // Both names have the same length.
        let hex = &text["shaNNN:".len()..];
        let valid =
            hex.len() == length && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDigest {
                found: text::excerpt(text),
            })
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hashes bytes as they pass. A clone goes on by itself.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// A hasher that has seen no byte.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(hasher) => hasher.update(bytes),
            State::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all bytes taken in.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(hasher) => encode("sha256", &hasher.finalize()),
            State::Sha512(hasher) => encode("sha512", &hasher.finalize()),
        }
    }
}

fn encode(algorithm: &str, bytes: &[u8]) -> Digest {
    let mut text = String::with_capacity(algorithm.len() + 1 + bytes.len() * 2);
    text.push_str(algorithm);
    text.push(':');
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    Digest(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn hashes_bytes() {
        assert_eq!(Digest::of(b"").as_str(), EMPTY);
        let mut hasher = Hasher::new(Algorithm::Sha512);
        hasher.update(b"a");
        let digest = hasher.finish();
        assert_eq!(digest.hex().len(), 128);
        assert_eq!(digest.as_str().parse::<Digest>(), Ok(digest.clone()));
    }

    #[test]
    fn parts_of_a_digest() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest.algorithm(), Algorithm::Sha256);
        assert_eq!(digest.short(), "sha256:e3b0c44298fc");
        assert_eq!(digest.hex(), &EMPTY[7..]);
    }

    #[test]
    fn refuses_what_is_no_digest() {
        let upper = EMPTY.to_uppercase();
        let long = "\u{7f}".repeat(4 * 1024 * 1024);
        for text in [
            "",
            &long,
            "sha256",
            "sha256:",
            "sha256:abc",
            "md5:e3b0",
            &upper,
            &format!("{EMPTY}0"),
            "sha512:é",
        ] {
            let error = text.parse::<Digest>().unwrap_err();
            assert!(error.to_string().contains("64"), "{error}");
            assert!(error.to_string().len() < 2_000);
        }
    }
}
