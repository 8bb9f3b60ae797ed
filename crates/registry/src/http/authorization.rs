//! The values of Authorization and Proxy-Authorization.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image_sync_shared::secret::Secret;
use reqwest::header::HeaderValue;

/// The Authorization of a user name and password (RFC 7617, section 2).
pub(crate) fn basic(username: &str, password: &Secret) -> HeaderValue {
    let encoded = STANDARD.encode(format!("{username}:{}", password.reveal()));
    // Base64 has no character that a header cannot have.
    HeaderValue::try_from(format!("Basic {encoded}"))
        .unwrap_or_else(|_never| HeaderValue::from_static(""))
}
