//! The secrets that a sender has too: a file with one in each line, and a second one while it is exchanged for another.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use image_sync_shared::secret::Secret;
use image_sync_shared::text::is_deceptive;
use ring::hmac::{HMAC_SHA256, Key, Tag, sign, verify};
use time::OffsetDateTime;

use super::ProofError;
use super::watched_file::WatchedFile;

/// The fewest characters of a secret: 16 letters and digits that are chosen at random cannot be guessed over a network.
const SHORTEST: usize = 16;
const MOST_SECRETS: usize = 2;
const MOST_BYTES: usize = 4096;

/// Which characters secrets may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// All that are seen.
    Any,
    /// Those that stand for themselves in a path (RFC 3986, section 2.3).
    OfPaths,
}

/// One or two secrets.
pub(super) struct Secrets(Source);

enum Source {
    File(WatchedFile<Vec<Kept>>),
    Fixed(Arc<Vec<Kept>>),
}

struct Kept {
    secret: Secret,
    /// Its code, which can be compared in constant time whatever the lengths are.
    code: Tag,
}

impl Secrets {
    pub(super) fn open(file: &Path, alphabet: Alphabet) -> Result<Self, ProofError> {
        let parse = match alphabet {
            Alphabet::Any => |text: &str| parse(text, Alphabet::Any),
            Alphabet::OfPaths => |text: &str| parse(text, Alphabet::OfPaths),
        };
        Ok(Self(Source::File(WatchedFile::open(
            file, MOST_BYTES, parse,
        )?)))
    }

    /// Ones that nobody has.
    pub(super) fn of_nobody() -> Self {
        let kept = |text: &str| Kept {
            secret: Secret::new(""),
            // The code of another key: to find a text of this code is to break the hash.
            code: sign(&Key::new(HMAC_SHA256, text.as_bytes()), b""),
        };
        Self(Source::Fixed(Arc::new(vec![kept("nobody")])))
    }

    /// Those of a text as a file would have it.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn of_text(text: &str) -> Self {
        let kept = parse(text, Alphabet::Any).unwrap_or_default();
        Self(Source::Fixed(Arc::new(kept)))
    }

    /// Whether one of these is one of the secrets. All are compared with all.
    pub(super) fn have_one_of(&self, texts: &[&[u8]], now: OffsetDateTime) -> bool {
        let key = key_of_codes();
        let kept = self.current(now);
        texts.iter().fold(false, |found, text| {
            kept.iter().fold(found, |found, kept| {
                found | verify(&key, text, kept.code.as_ref()).is_ok()
            })
        })
    }

    /// Whether one of the secrets has signed `body`. All are tried.
    pub(super) fn have_signed(&self, body: &[u8], signature: &[u8], now: OffsetDateTime) -> bool {
        self.current(now).iter().fold(false, |found, kept| {
            let key = Key::new(HMAC_SHA256, kept.secret.reveal().as_bytes());
            found | verify(&key, body, signature).is_ok()
        })
    }

    /// The first of them.
    pub(super) fn first(&self, now: OffsetDateTime) -> Option<Secret> {
        self.current(now).first().map(|kept| kept.secret.clone())
    }

    fn current(&self, now: OffsetDateTime) -> Arc<Vec<Kept>> {
        match &self.0 {
            Source::File(file) => file.current(now),
            Source::Fixed(kept) => Arc::clone(kept),
        }
    }
}

/// The key of the codes by which secrets are compared. It is no secret: it makes codes of one length of texts of any.
fn key_of_codes() -> Key {
    Key::new(HMAC_SHA256, b"image-sync webhook")
}

fn parse(text: &str, alphabet: Alphabet) -> Result<Vec<Kept>, String> {
    let lines = (1..).zip(text.lines());
    let lines: Vec<(usize, &str)> = lines.filter(|(_, line)| !line.is_empty()).collect();
    if lines.is_empty() || lines.len() > MOST_SECRETS {
        let found = lines.len();
        return Err(format!(
            "found {found} lines with a secret; expected one, or two while one follows the other"
        ));
    }
    let key = key_of_codes();
    let kept = lines.into_iter().map(|(line, secret)| {
        check(secret, alphabet).map_err(|why| format!("the secret in line {line} {why}"))?;
        Ok(Kept {
            secret: Secret::new(secret),
            code: sign(&key, secret.as_bytes()),
        })
    });
    kept.collect()
}

fn check(secret: &str, alphabet: Alphabet) -> Result<(), String> {
    let length = secret.chars().count();
    let of_paths = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if length < SHORTEST {
        Err(format!(
            "has {length} characters; expected {SHORTEST} at least"
        ))
    } else if secret.trim() != secret {
        Err("begins or ends with a blank; expected none, as no header can have it".to_owned())
    } else if secret.chars().any(is_deceptive) {
        Err("has a character that is not seen; expected none".to_owned())
    } else if alphabet == Alphabet::OfPaths && !secret.chars().all(of_paths) {
        let expected = "letters, digits, '-', '.', '_' and '~', as it is part of a path";
        Err(format!("has other characters; expected {expected}"))
    } else {
        Ok(())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::File(file) => f.debug_tuple("Secrets").field(&file.path()).finish(),
            Source::Fixed(_) => f.write_str("Secrets(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
    const ONE: &str = "the first of them";
    const OTHER: &str = "another that follows";

    fn file(text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn error(text: &[u8], alphabet: Alphabet) -> String {
        let (_folder, path) = file(text);
        let error = Secrets::open(&path, alphabet).unwrap_err().to_string();
        let (place, why) = error.rsplit_once("secret: ").unwrap();
        assert!(!place.is_empty(), "{error}");
        why.to_owned()
    }

    #[test]
    fn each_line_is_a_secret_without_its_line_end() {
        for text in [
            format!("{ONE}\n{OTHER}"),
            format!("{ONE}\r\n\r\n{OTHER}\r\n"),
            format!("\n{OTHER}\n{ONE}\n\n"),
        ] {
            let (_folder, path) = file(text.as_bytes());
            let secrets = Secrets::open(&path, Alphabet::Any).unwrap();
            let has = |text: &str| secrets.have_one_of(&[b"", text.as_bytes()], NOW);
            assert!(has(ONE) && has(OTHER), "{text:?}");
            let (last, longer) = (&ONE[..ONE.len() - 1], format!("{ONE} "));
            for wrong in ["", last, &longer, &ONE.to_uppercase(), "nobody"] {
                assert!(!has(wrong), "{wrong:?}");
            }
        }
    }

    #[test]
    fn a_file_of_other_contents_is_an_error_without_them() {
        let three = format!("{ONE}\n{OTHER}\n{ONE}");
        let long = "x".repeat(5_000);
        for (text, expected) in [
            (
                &b""[..],
                "found 0 lines with a secret; expected one, or two while one follows the other",
            ),
            (
                b"\n\r\n",
                "found 0 lines with a secret; expected one, or two while one follows the other",
            ),
            (
                three.as_bytes(),
                "found 3 lines with a secret; expected one, or two while one follows the other",
            ),
            (
                b"short",
                "the secret in line 1 has 5 characters; expected 16 at least",
            ),
            (
                b"\na long enough secret\nhunter2",
                "the secret in line 3 has 7 characters; expected 16 at least",
            ),
            (
                b"a long enough secret ",
                "the secret in line 1 begins or ends with a blank; expected none, as no header can have it",
            ),
            (
                b"a long\tenough secret",
                "the secret in line 1 has a character that is not seen; expected none",
            ),
            (
                b"\xef\xbb\xbfa long enough secret",
                "the secret in line 1 has a character that is not seen; expected none",
            ),
            (b"a long enough secret\xff", "it is no UTF-8"),
            (long.as_bytes(), "it has more than 4096 bytes"),
        ] {
            assert_eq!(error(text, Alphabet::Any), expected);
        }
        let slashes = b"a/long/enough/secret";
        assert_eq!(
            error(slashes, Alphabet::OfPaths),
            "the secret in line 1 has other characters; expected letters, digits, '-', '.', '_' and '~', as it is part of a path"
        );
        let (_folder, path) = file(slashes);
        assert!(Secrets::open(&path, Alphabet::Any).is_ok());
    }

    #[test]
    fn what_is_no_file_is_an_error_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = Secrets::open(folder.path(), Alphabet::Any).unwrap_err();
        assert!(error.to_string().ends_with(": it is no file"), "{error}");
        let missing = folder.path().join("missing");
        let error = Secrets::open(&missing, Alphabet::Any)
            .unwrap_err()
            .to_string();
        assert!(error.contains("missing: No such file"), "{error}");
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_keeps_the_last_secrets() {
        let (_folder, path) = file(ONE.as_bytes());
        let secrets = Secrets::open(&path, Alphabet::Any).unwrap();
        let has = |text: &str, seconds| {
            secrets.have_one_of(&[text.as_bytes()], NOW + Duration::seconds(seconds))
        };
        assert!(has(ONE, 0) && !has(OTHER, 0));
        fs::write(&path, format!("{ONE}\n{OTHER}")).unwrap();
        assert!(!has(OTHER, 0), "not looked at more than once a second");
        assert!(has(ONE, 1) && has(OTHER, 1));
        fs::write(&path, "").unwrap();
        assert!(has(ONE, 2) && has(OTHER, 2));
        fs::remove_file(&path).unwrap();
        assert!(has(ONE, 3) && has(OTHER, 3));
        fs::write(&path, OTHER).unwrap();
        assert!(!has(ONE, 4) && has(OTHER, 4));
        fs::write(&path, ONE).unwrap();
        assert!(has(ONE, -60), "when the clock was turned back, too");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_of_a_mounted_secret_is_followed_to_where_it_leads_now() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // As Kubernetes mounts a secret: the file is a link through one of a folder, which is replaced.
        for (name, text) in [("..1", ONE), ("..2", OTHER)] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("secret"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/secret", at("secret")).unwrap();
        let secrets = Secrets::open(&at("secret"), Alphabet::Any).unwrap();
        assert!(secrets.have_one_of(&[ONE.as_bytes()], NOW));
        symlink("..2", at("..tmp")).unwrap();
        fs::rename(at("..tmp"), at("..data")).unwrap();
        let later = NOW + Duration::seconds(1);
        assert!(secrets.have_one_of(&[OTHER.as_bytes()], later));
        assert!(!secrets.have_one_of(&[ONE.as_bytes()], later));
    }

    #[test]
    fn nobody_has_the_secrets_of_nobody() {
        let secrets = Secrets::of_nobody();
        for text in ["", "nobody", "image-sync webhook"] {
            assert!(!secrets.have_one_of(&[text.as_bytes()], NOW), "{text}");
        }
    }

    #[test]
    fn secrets_do_not_show_in_their_debug_form() {
        let (_folder, path) = file(ONE.as_bytes());
        let shown = format!("{:?}", Secrets::open(&path, Alphabet::Any).unwrap());
        assert!(
            shown.contains("secret\"") && !shown.contains(ONE),
            "{shown}"
        );
    }
}
