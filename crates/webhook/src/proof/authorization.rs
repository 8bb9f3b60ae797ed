//! The header `Authorization` (RFC 9110, section 11.6.2), with a secret in one of the ways that senders write it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use image_sync_shared::secret::Secret;

use super::only;

/// Padding is often left out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What may be a secret in it: the value as it is, the token of Bearer (RFC 6750), and the password of Basic (RFC 7617) where
/// the user is `username`, if it has to be a certain one. Empty where there is none.
pub(super) fn secrets_in(headers: &HeaderMap, username: Option<&str>) -> [Vec<u8>; 3] {
    let value = only(headers, &AUTHORIZATION);
    let whole = value.map_or(&b""[..], |value| value.as_bytes());
    let bearer = after_scheme(whole, b"bearer").unwrap_or_default();
    let basic = after_scheme(whole, b"basic").and_then(|text| BASE64.decode(text).ok());
    let password = basic.and_then(|pair| password_of(&pair, username));
    // Whoever has to be a certain user is one by Basic alone.
    let others = |text: &[u8]| match username {
        Some(_) => Vec::new(),
        None => text.to_vec(),
    };
    [others(whole), others(bearer), password.unwrap_or_default()]
}

/// The token of a bearer.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = only(headers, &AUTHORIZATION)?;
    let token = after_scheme(value.as_bytes(), b"bearer")?;
    std::str::from_utf8(token).ok()
}

/// The value with Basic credentials.
pub(super) fn basic(username: &str, password: &Secret) -> Secret {
    let pair = format!("{username}:{}", password.reveal());
    Secret::new(format!("Basic {}", BASE64.encode(pair)))
}

/// The names of schemes are of either case.
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = value.split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ")?;
    found
        .eq_ignore_ascii_case(scheme)
        .then(|| rest.trim_ascii())
}

fn password_of(pair: &[u8], username: Option<&str>) -> Option<Vec<u8>> {
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let (user, password) = (&pair[..colon], &pair[colon + 1..]);
    let is_user = username.is_none_or(|expected| expected.as_bytes() == user);
    is_user.then(|| password.to_vec())
}
