//! The lines of a memo's file.

use time::OffsetDateTime;

use crate::memo::Proven;

const SEPARATOR: char = '\t';

/// A fact as a line, unless its key would break it.
pub(super) fn write(key: &str, proven: &Proven) -> Option<String> {
    let fits = !key.is_empty() && !key.contains(char::is_control);
    let Proven { digest, at } = proven;
    let at = at.unix_timestamp();
    fits.then(|| format!("{key}{SEPARATOR}{at}{SEPARATOR}{digest}\n"))
}

/// The fact of a line without its end, if it is whole.
pub(super) fn read(line: &[u8]) -> Option<(&str, Proven)> {
    let (key, rest) = str::from_utf8(line).ok()?.split_once(SEPARATOR)?;
    // The digest is the last: a part of it is no digest, while a part of a number is a number.
    let (at, digest) = rest.split_once(SEPARATOR)?;
    let fits = !key.is_empty() && !key.contains(char::is_control);
    let proven = Proven {
        digest: digest.parse().ok()?,
        at: OffsetDateTime::from_unix_timestamp(at.parse().ok()?).ok()?,
    };
    Some((key, proven)).filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use image_sync_shared::image::digest::Digest;
    use time::macros::datetime;

    use super::*;

    fn proven() -> Proven {
        Proven {
            digest: Digest::of(b"x"),
            at: datetime!(2026-11-20 12:00 UTC),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let line = write("chosen/sha256:ab/linux/amd64", &proven()).unwrap();
        let text = line.strip_suffix('\n').unwrap();
        assert_eq!(
            read(text.as_bytes()),
            Some(("chosen/sha256:ab/linux/amd64", proven()))
        );
    }

    #[test]
    fn a_key_that_would_break_the_line_is_not_written() {
        for key in ["", "a\tb", "a\nb", "a\rb", "\0"] {
            assert_eq!(write(key, &proven()), None, "{key:?}");
        }
    }

    #[test]
    fn no_part_of_a_line_is_taken_for_a_fact() {
        let line = write("key", &proven()).unwrap();
        let whole = line.len() - 1;
        for end in 0..whole {
            assert_eq!(read(&line.as_bytes()[..end]), None, "{end}");
            let glued = [&line.as_bytes()[..end], &line.as_bytes()[..whole]].concat();
            let is_whole = end == 0;
            let other_key = end <= "key".len();
            let fact = read(&glued);
            assert_eq!(fact.is_some(), is_whole || other_key, "{end}");
            assert!(
                is_whole || fact.is_none_or(|(key, _)| key != "key"),
                "{end}"
            );
        }
        let without_time = format!("key\t{}", Digest::of(b"x"));
        assert_eq!(read(without_time.as_bytes()), None, "it is not proven");
        for line in [&b"\xff\t\xff"[..], b"\0\0\0", b"\t", b"a\tb\tc"] {
            assert_eq!(read(line), None);
        }
    }
}
