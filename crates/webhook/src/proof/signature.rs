//! GitHub's signature of a body ("Validating webhook deliveries"): HMAC-SHA-256 (RFC 2104) with the secret of the webhook.

use http::HeaderMap;
use http::header::HeaderName;
use image_sync_shared::secret::Secret;
use ring::hmac::{HMAC_SHA256, Key, sign};

use super::only;

/// The header that has it.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
const ALGORITHM: &str = "sha256=";
const BYTES: usize = 32;

/// The signature that a request has, if it is one.
pub(super) fn of(headers: &HeaderMap) -> Option<[u8; BYTES]> {
    let text = only(headers, &SIGNATURE)?.to_str().ok()?;
    let mut signature = [0; BYTES];
    hex::decode_to_slice(text.strip_prefix(ALGORITHM)?, &mut signature).ok()?;
    Some(signature)
}

/// That of a body with a secret.
pub(super) fn with(secret: &Secret, body: &[u8]) -> String {
    let key = Key::new(HMAC_SHA256, secret.reveal().as_bytes());
    format!("{ALGORITHM}{}", hex::encode(sign(&key, body)))
}
