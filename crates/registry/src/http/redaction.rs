//! The secrets that were shown to registries, so that what they answer is not repeated with them in it.

mod needle;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use image_sync_shared::failure::Failure;
use image_sync_shared::panics::lock;
use image_sync_shared::secret::Secret;
use image_sync_shared::text;
use reqwest::header::HeaderValue;

use self::needle::Needle;
use super::RequestError;

/// Shorter ones would be found in any text.
const SHORTEST: usize = 6;
/// How many are known at the same time: those shown last. A token lives for minutes, and is answered to at once.
const MOST: usize = 64;

/// How much of what it says is passed on, in characters.
const MAX_WORDS: usize = 300;

/// The secrets that this process showed last. What is told of any answer passes here before anybody else sees it: a registry
/// may repeat what it was shown in a body, a header, a manifest or a name, and in whatever form.
#[derive(Default)]
pub(crate) struct Secrets(Mutex<VecDeque<KnownSecret>>);

/// A secret and its forms in which an answer may have it.
struct KnownSecret {
    secret: Secret,
    needles: Vec<Needle>,
}

impl Secrets {
    /// Notes a secret that is about to be sent.
    pub(crate) fn note(&self, secret: &Secret) {
        let mut known = self.known();
        if let Some(at) = known.iter().position(|known| known.secret == *secret) {
            // Those of one host are used again and again.
            if let Some(again) = known.remove(at) {
                known.push_back(again);
            }
            return;
        }
        if secret.reveal().len() < SHORTEST {
            return;
        }
        if known.len() == MOST {
            known.pop_front();
        }
        known.push_back(KnownSecret {
            needles: needles(secret.reveal()),
            secret: secret.clone(),
        });
    }

    /// Notes what an Authorization header shows: the token, or the password, as it is and as it is sent.
    pub(crate) fn note_authorization(&self, value: &HeaderValue) {
        let value = value.to_str().unwrap_or_default();
        let (_, sent) = value.split_once(' ').unwrap_or(("", value));
        self.note(&Secret::new(sent));
        let decoded = STANDARD.decode(sent).unwrap_or_default();
        let decoded = String::from_utf8(decoded).unwrap_or_default();
        if let Some((_, password)) = decoded.split_once(':') {
            self.note(&Secret::new(password));
        }
    }

    /// `text` without them, in whatever form. A start of one at its end, where it was cut, is hidden too.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        let (text, cut) = text::split_cut(text);
        let known = self.known();
        let needles = known.iter().flat_map(|known| &known.needles);
        let mut hidden = needles.fold(text.to_owned(), |text, needle| needle.hide_in(text));
        hidden.push_str(cut);
        hidden
    }

    /// The same of what a failure tells.
    pub(crate) fn hide_in_failure(&self, failure: &Failure) -> Failure {
        Failure {
            subject: self.hide_in(&failure.subject),
            answer: self.hide_in(&failure.answer),
            ..failure.clone()
        }
    }

    /// The same of what went wrong.
    pub(crate) fn hide_in_error(&self, error: &RequestError) -> RequestError {
        error.told_as(self.hide_in(&error.answer))
    }

    fn known(&self) -> MutexGuard<'_, VecDeque<KnownSecret>> {
        lock(&self.0)
    }
}

/// The secret itself, and what of it stands in every base64 of a text that has it in it, wherever it begins there.
fn needles(secret: &str) -> Vec<Needle> {
    let bytes = secret.as_bytes();
    let mut needles = vec![Needle::new(secret)];
    for before in 0..3 {
        // Base64 takes three bytes at a time, so a text looks one of three ways in it.
        let mut padded = vec![0; before];
        padded.extend_from_slice(bytes);
        let encoded = STANDARD_NO_PAD.encode(&padded);
        // Its first and last characters are made of what stands beside it too.
        let start = (before * 8).div_ceil(6);
        let end = padded.len() * 8 / 6;
        if let Some(inner) = encoded.get(start..end)
            && inner.len() >= SHORTEST
        {
            needles.push(Needle::new(inner));
        }
    }
    needles
}

/// Text from outside, made fit to be shown: one line, not long, and no URL with a query or a user in it.
pub(crate) fn presentable(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words
        .filter(|word| !word.is_empty())
        .map(without_query)
        .collect();
    words.join(" ").chars().take(MAX_WORDS).collect()
}

fn without_query(word: &str) -> &str {
    let Some(at) = word.find("://") else {
        return word;
    };
    let authority_ends = word[at + 3..]
        .find('/')
        .map_or(word.len(), |end| at + 3 + end);
    if word[..authority_ends].contains('@') {
        return &word[..at];
    }
    &word[..word.find('?').unwrap_or(word.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_made_fit_to_be_shown() {
        let known = presentable("a\u{1b}[31m b\r\nc \0 d");
        assert_eq!(known, "a [31m b c d");
        assert_eq!(presentable(&"x".repeat(1000)).len(), 300);
        assert_eq!(
            presentable("see https://cdn.example/blob?signature=s3cret for more"),
            "see https://cdn.example/blob for more"
        );
        assert_eq!(presentable("http://user:s3cret@h.example/x at"), "http at");
        assert_eq!(
            presentable("(https://h.example?key=s3cret)"),
            "(https://h.example"
        );
    }

    const PASSWORD: &str = "p4ss/w0rd<&>\"\\ü";

    fn knows(secret: &str) -> Secrets {
        let secrets = Secrets::default();
        secrets.note(&Secret::new(secret));
        secrets
    }

    #[test]
    fn neither_form_of_a_password_is_left() {
        let secrets = Secrets::default();
        secrets.note_authorization(&HeaderValue::from_static("Basic dTpodW50ZXIy"));
        let told = secrets.hide_in("you sent Basic dTpodW50ZXIy, which is u:hunter2");
        assert_eq!(told, "you sent Basic [secret], which is u:[secret]");
        secrets.note_authorization(&HeaderValue::from_static("Bearer the-token"));
        assert_eq!(secrets.hide_in("the-token has ended"), "[secret] has ended");
        assert_eq!(knows("a").hide_in("a tag"), "a tag");
    }

    #[test]
    fn a_secret_is_hidden_however_an_answer_encodes_it() {
        let secrets = knows(PASSWORD);
        let json = serde_json::to_string(PASSWORD).unwrap();
        let units: Vec<String> = PASSWORD
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04X}"))
            .collect();
        let all_escaped = units.concat();
        let bytes: Vec<String> = PASSWORD
            .bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect();
        let percent = bytes.concat();
        let twice = percent.replace('%', "%25");
        let encoded = |text: String| STANDARD.encode(text);
        for form in [
            PASSWORD.to_owned(),
            PASSWORD.to_uppercase(),
            json.trim_matches('"').to_owned(),
            json.replace('/', "\\/"),
            json.replace('<', "\\u003c")
                .replace('>', "\\u003E")
                .replace('&', "\\u0026"),
            json.replace('<', "\\\\u003c"),
            all_escaped,
            percent,
            twice,
            PASSWORD
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&#62;"),
            PASSWORD.replace('/', "&#x2F;"),
            format!("{PASSWORD:?}"),
            format!("{:?}", format!("{PASSWORD:?}")),
            PASSWORD.replace('w', "\u{200b}w\0"),
            PASSWORD.replace('w', "\u{fffd}w"),
            PASSWORD.replace('w', "\\u0000w\\n"),
            PASSWORD.escape_unicode().to_string(),
            encoded(PASSWORD.to_owned()),
            encoded(format!("bob:{PASSWORD}")),
            encoded(format!("robot$a:{PASSWORD}and more")),
            encoded(format!("al:{PASSWORD}"))
                .trim_end_matches('=')
                .to_owned(),
            encoded(format!("bob:{PASSWORD}")).replace('/', "\\/"),
            encoded(format!("bob:{PASSWORD}"))
                .replace('+', "-")
                .replace('/', "_"),
        ] {
            let hidden = secrets.hide_in(&format!("before {form} after"));
            assert!(hidden.contains("[secret]"), "{form}: {hidden}");
            for part in ["p4ss", "w0rd", "P4SS", "W0RD", "%77", "0077"] {
                assert!(!hidden.contains(part), "{form}: {hidden}");
            }
            assert!(
                hidden.starts_with("before ") && hidden.ends_with(" after"),
                "{hidden}"
            );
        }
    }

    #[test]
    fn a_secret_that_was_cut_is_hidden_as_far_as_it_is_there() {
        let secrets = knows("0123456789-secret");
        assert_eq!(secrets.hide_in("it was 0123456789-sec"), "it was [secret]");
        let cut = text::bounded(format!(
            "{}0123456789-secret{}",
            "x".repeat(970),
            "y".repeat(200)
        ));
        let hidden = secrets.hide_in(&cut);
        assert!(
            hidden.contains("x[secret]… [") || !hidden.contains("012345"),
            "{hidden}"
        );
        let plain = "it was 01234 and no more";
        assert_eq!(secrets.hide_in(plain), plain);
    }

    #[test]
    fn as_many_as_were_shown_last_are_known() {
        let secrets = Secrets::default();
        for number in 0..=MOST {
            secrets.note(&Secret::new(format!("secret-{number:04}")));
            secrets.note(&Secret::new("secret-0001"));
        }
        assert_eq!(secrets.known().len(), MOST);
        let told = secrets.hide_in("secret-0000 secret-0001 secret-0064");
        assert_eq!(told, "secret-0000 [secret] [secret]");
    }
}
