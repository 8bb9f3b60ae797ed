//! The Basic scheme (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The user name and password of an Authorization header.
pub(crate) fn basic_credentials(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| (user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_basic_credentials() {
        let credentials = basic_credentials("Basic dXNlcjpwYTpzcw==");
        assert_eq!(credentials, Some(("user".to_owned(), "pa:ss".to_owned())));
        assert_eq!(basic_credentials("Bearer dXNlcjpwYTpzcw=="), None);
    }
}
