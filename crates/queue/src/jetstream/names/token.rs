//! Any text as one token of a subject or one key of a bucket, and back.
//!
//! Letters, digits, `-` and `_` stand for themselves, every other byte for `=` and its two hexadecimal digits. Nothing of
//! this has a meaning of its own in a subject, and all of it is allowed in a key (NATS ADR-6 and ADR-8).

const ESCAPE: char = '=';

/// `text` as a token. No text at all is an escape alone, as a token cannot be empty.
pub(crate) fn encode(text: &str) -> String {
    if text.is_empty() {
        return ESCAPE.to_string();
    }
    let mut token = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            token.push(char::from(byte));
        } else {
            token.push(ESCAPE);
            for half in [byte >> 4, byte & 15] {
                token.extend(
                    char::from_digit(half.into(), 16).map(|digit| digit.to_ascii_uppercase()),
                );
            }
        }
    }
    token
}

/// The text of a token, if [`encode`] made it.
pub(crate) fn decode(token: &str) -> Option<String> {
    let mut text = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != ESCAPE as u8 {
            text.push(first);
        } else if token.len() > 1 {
            let (hex, after) = rest.split_at_checked(2)?;
            text.push(u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok()?);
            rest = after;
        }
    }
    let text = String::from_utf8(text).ok()?;
    (encode(&text) == token).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_survives_and_is_one_token() {
        let texts = [
            "",
            "=",
            "docker.io",
            "localhost:5000",
            "[::1]:5000",
            "a b",
            "*",
            ">",
            "ü/ß",
            "r1:7:a2:d0",
            "-_",
            "chosen/sha256:ab/linux/amd64",
            "\0\n",
        ];
        for text in texts {
            let token = encode(text);
            assert!(!token.is_empty(), "{text:?}");
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_=".contains(c);
            assert!(token.chars().all(allowed), "{token}");
            assert_eq!(decode(&token).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_host_can_still_be_read() {
        assert_eq!(encode("registry-1.docker.io"), "registry-1=2Edocker=2Eio");
        assert_eq!(encode("localhost:5000"), "localhost=3A5000");
    }

    #[test]
    fn what_encode_did_not_make_is_no_token() {
        for token in ["a.b", "=2", "=2e", "=XX", "=41", "=FF", "a=", "ü", "=="] {
            assert_eq!(decode(token), None, "{token}");
        }
    }
}
