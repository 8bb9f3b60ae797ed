//! Message authentication codes (HMAC-SHA-256, RFC 2104): who does not hold the key can check none and make none.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The length of a key, in bytes.
pub const KEY_BYTES: usize = 32;
/// The length of a code, in bytes: the leading half of what HMAC-SHA-256 makes (RFC 2104, section 5).
const MAC_BYTES: usize = 16;

/// The length of a block of SHA-256, in bytes.
const BLOCK_BYTES: usize = 64;

/// A key. Its debug form hides it, and it has no display form. It is serialized where a message hands it over.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacKey([u8; KEY_BYTES]);

/// A code.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; MAC_BYTES]);

/// Why a text is no key, or no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected {digits} hexadecimal digits")]
pub struct NotHexadecimal {
    digits: usize,
}

impl MacKey {
    /// The key of these bytes, which nobody can guess.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The key that a text stands for, of any length.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// The code of a message of these parts.
    #[must_use]
    pub fn mac(&self, parts: &[&str]) -> Mac {
        let whole = self.hmac_of(parts).finalize().into_bytes();
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&whole[..MAC_BYTES]);
        Mac(mac)
    }

    /// Whether `mac` is the code of a message of these parts. Takes the same time for any that is not.
    #[must_use]
    pub fn verifies(&self, parts: &[&str], mac: &Mac) -> bool {
        self.hmac_of(parts).verify_truncated_left(&mac.0).is_ok()
    }

    /// The length goes before each part, so that no two messages are the same bytes.
    fn hmac_of(&self, parts: &[&str]) -> Hmac<Sha256> {
        // A key is filled up with zeros to a block of the hash (RFC 2104, section 2).
        let mut block = [0; BLOCK_BYTES];
        block[..KEY_BYTES].copy_from_slice(&self.0);
        let mut hmac = Hmac::<Sha256>::new(&block.into());
        for part in parts {
            hmac.update(&(part.len() as u64).to_be_bytes());
            hmac.update(part.as_bytes());
        }
        hmac
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Serde's text forms: hexadecimal digits.
macro_rules! hexadecimal {
    ($($type:ident: $bytes:expr),*) => {$(
        impl TryFrom<String> for $type {
            type Error = NotHexadecimal;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let (mut bytes, digits) = ([0; $bytes], 2 * $bytes);
                hex::decode_to_slice(text, &mut bytes).map_err(|_| NotHexadecimal { digits })?;
                Ok(Self(bytes))
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                hex::encode(value.0)
            }
        }
    )*};
}

hexadecimal!(MacKey: KEY_BYTES, Mac: MAC_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MacKey {
        MacKey::new([7; KEY_BYTES])
    }

    #[test]
    fn a_code_is_that_of_one_key_and_one_message() {
        let mac = key().mac(&["a", "bc"]);
        assert!(key().verifies(&["a", "bc"], &mac));
        for other in [&["ab", "c"][..], &["a"], &["a", "bc", ""], &["abc"]] {
            assert!(!key().verifies(other, &mac), "{other:?}");
        }
        assert!(!MacKey::new([8; KEY_BYTES]).verifies(&["a", "bc"], &mac));
    }

    #[test]
    fn a_code_is_hmac_sha_256_as_others_make_it() {
        // printf '\0\0\0\0\0\0\0\1a' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707...07
        let mac = key().mac(&["a"]);
        assert_eq!(format!("{mac:?}"), "0eff5865c6601ac7c16849c20a20547c");
    }

    #[test]
    fn a_key_does_not_show_in_its_debug_form_and_survives_its_json() {
        assert_eq!(format!("{:?}", key()), "[secret]");
        let json = serde_json::to_string(&key()).unwrap();
        assert_eq!(serde_json::from_str::<MacKey>(&json).unwrap(), key());
        let mac = MacKey::of_text("x").mac(&[]);
        let json = serde_json::to_string(&mac).unwrap();
        assert_eq!(serde_json::from_str::<Mac>(&json).unwrap(), mac);
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "00", "zz", &"0".repeat(31), &"0".repeat(33)] {
            let error = Mac::try_from(text.to_owned()).unwrap_err();
            assert_eq!(error.to_string(), "expected 32 hexadecimal digits");
        }
    }
}
