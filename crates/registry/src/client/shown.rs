//! The secrets of a request, kept with its answer, so that a refusal that repeats them is not repeated.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image_sync_shared::secret::Secret;
use reqwest::header::HeaderValue;

/// Shorter ones would be found in any text.
const SHORTEST: usize = 6;

/// What a request showed of who asks.
#[derive(Clone)]
pub(crate) struct Shown(Vec<Secret>);

impl Shown {
    /// One secret.
    pub(crate) fn secret(secret: &Secret) -> Self {
        Self(vec![secret.clone()])
    }

    /// An Authorization header: the token, or the password as it is and as it is sent.
    pub(crate) fn authorization(value: &HeaderValue) -> Self {
        let value = value.to_str().unwrap_or_default();
        let (_, sent) = value.split_once(' ').unwrap_or(("", value));
        let decoded = STANDARD.decode(sent).unwrap_or_default();
        let decoded = String::from_utf8(decoded).unwrap_or_default();
        let password = decoded.split_once(':').map(|(_, password)| password);
        let secrets = [Some(sent), password].into_iter().flatten();
        Self(secrets.map(Secret::new).collect())
    }

    /// The text without them.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        let long = self
            .0
            .iter()
            .map(Secret::reveal)
            .filter(|secret| secret.len() >= SHORTEST);
        long.fold(text.to_owned(), |text, secret| {
            text.replace(secret, "[secret]")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_form_of_a_password_is_left() {
        let shown = Shown::authorization(&HeaderValue::from_static("Basic dTpodW50ZXIy"));
        let told = shown.hide_in("you sent Basic dTpodW50ZXIy, which is u:hunter2");
        assert_eq!(told, "you sent Basic [secret], which is u:[secret]");
        let shown = Shown::authorization(&HeaderValue::from_static("Bearer the-token"));
        assert_eq!(shown.hide_in("the-token has ended"), "[secret] has ended");
        assert_eq!(Shown::secret(&Secret::new("a")).hide_in("a tag"), "a tag");
    }
}
