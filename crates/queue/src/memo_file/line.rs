//! The lines of a memo's file.

use image_sync_shared::digest::Digest;

const SEPARATOR: char = '\t';

/// A fact as a line, unless its key would break it.
pub(super) fn write(key: &str, digest: &Digest) -> Option<String> {
    let fits = !key.is_empty() && !key.contains(char::is_control);
    fits.then(|| format!("{key}{SEPARATOR}{digest}\n"))
}

/// The fact of a line without its end, if it is whole.
pub(super) fn read(line: &[u8]) -> Option<(&str, Digest)> {
    let (key, digest) = str::from_utf8(line).ok()?.split_once(SEPARATOR)?;
    let fits = !key.is_empty() && !key.contains(char::is_control);
    Some((key, digest.parse().ok()?)).filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let digest = Digest::of(b"x");
        let line = write("chosen/sha256:ab/linux/amd64", &digest).unwrap();
        let text = line.strip_suffix('\n').unwrap();
        assert_eq!(
            read(text.as_bytes()),
            Some(("chosen/sha256:ab/linux/amd64", digest))
        );
    }

    #[test]
    fn a_key_that_would_break_the_line_is_not_written() {
        for key in ["", "a\tb", "a\nb", "a\rb", "\0"] {
            assert_eq!(write(key, &Digest::of(b"x")), None, "{key:?}");
        }
    }

    #[test]
    fn no_part_of_a_line_is_taken_for_a_fact() {
        let line = write("key", &Digest::of(b"x")).unwrap();
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
        for line in [&b"\xff\t\xff"[..], b"\0\0\0", b"\t", b"a\tb\tc"] {
            assert_eq!(read(line), None);
        }
    }
}
