//! JSON for terminals and log viewers: JSON itself leaves DEL, the C1 set and all that deceives as it is (RFC 8259, section
//! 7), and terminals obey it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use super::is_deceptive;

/// `json` with characters that deceive escaped, but for the newlines between values. It stays the same JSON, as outside of
/// its strings it has none of them.
#[must_use]
pub fn escape_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_escaped) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_escaped(c) {
            // Beyond the basic plane JSON's escape is a pair of surrogates (RFC 8259, section 7).
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _infallible = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    Cow::Owned(text)
}

fn is_escaped(c: char) -> bool {
    c != '\n' && is_deceptive(c)
}

/// Passes JSON on to `W`, escaped like [`escape_json`], in whatever pieces it comes. Bytes that are no UTF-8 become
/// replacement characters.
#[derive(Debug)]
pub struct JsonWriter<W> {
    out: W,
    /// The start of a character whose rest did not come yet.
    rest: Vec<u8>,
}

impl<W: io::Write> JsonWriter<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            rest: Vec::new(),
        }
    }
}

impl<W: io::Write> io::Write for JsonWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        for chunk in all.utf8_chunks() {
            self.out.write_all(escape_json(chunk.valid()).as_bytes())?;
            let invalid = chunk.invalid();
            // Only at the very end can the next piece still make a character of it.
            let is_last = std::ptr::eq(invalid.as_ptr_range().end, all.as_ptr_range().end);
            if is_last && is_start(invalid) {
                self.rest = invalid.to_vec();
            } else if !invalid.is_empty() {
                self.out.write_all("\u{fffd}".as_bytes())?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether more bytes can make a character of these.
fn is_start(bytes: &[u8]) -> bool {
    let told = str::from_utf8(bytes);
    !bytes.is_empty() && told.is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn json_stays_the_same_with_what_deceives_escaped() {
        let nasty = "a\u{1b}[2J\u{9b}2J\u{7f}\r\n\tb\u{202e} ü\u{e0041}";
        let json = serde_json::to_string_pretty(&[nasty]).unwrap();
        let safe = escape_json(&json);
        assert!(!safe.chars().any(is_escaped), "{safe:?}");
        assert!(safe.contains("\\u009b2J\\u007f"), "{safe}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&safe).unwrap(), [nasty]);
    }

    #[test]
    fn a_writer_escapes_whatever_the_pieces_are() {
        let json = serde_json::to_string(&["ü\u{9b}\u{202e}\u{1d173}映"]).unwrap();
        for size in 1..json.len() {
            let mut out = Vec::new();
            let mut writer = JsonWriter::new(&mut out);
            for piece in json.as_bytes().chunks(size) {
                writer.write_all(piece).unwrap();
            }
            assert_eq!(
                String::from_utf8(out).unwrap(),
                escape_json(&json),
                "{size}"
            );
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut out = Vec::new();
        JsonWriter::new(&mut out)
            .write_all(b"\"a\xff\xfe\xc3(b\"")
            .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\u{fffd}\u{fffd}\u{fffd}(b\""
        );
    }
}
