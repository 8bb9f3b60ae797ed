//! Texts from outside: what a registry, a message or a file says, made fit to be kept and shown.
//!
//! They are bounded, as whoever wrote them may want them to fill memory, messages and logs; and clean, as a terminal obeys
//! control characters, and a reader is deceived by those that turn the direction of a line round or that are not seen.

pub mod nearest;
pub mod size;
pub mod timestamp;

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

mod json;
pub(crate) mod word;

pub use json::{JsonWriter, escape_json};
pub use word::UnknownWord;

/// The longest text that is kept of what somebody else wrote, in bytes.
pub const MAX_TEXT: usize = 1024;
/// The longest piece of such a text inside of a sentence about it, in bytes.
const MAX_EXCERPT: usize = 160;

/// What stands before the number of bytes that were cut off, and behind it.
const CUT: [&str; 2] = ["… [", " bytes more]"];
/// As much room as that takes, with any number in it, in bytes.
const CUT_ROOM: usize = 40;

/// Whether `c` is no character to be read: a control character (C0, DEL, C1), one that separates lines or turns their
/// direction round (UAX #9, section 2), or one that takes no place and so is not seen.
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// What stands for `c`: control characters become spaces, and what else deceives is seen to be replaced.
fn shown_as(c: char) -> char {
    match c {
        _ if c.is_control() => ' ',
        _ if is_deceptive(c) => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

/// `text` on one line, without characters that deceive, as long as it is.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_deceptive) {
        Cow::Owned(text.chars().map(shown_as).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// What `text` says, clean and at most [`MAX_TEXT`] bytes long: what is cut off is said. Doing it again changes nothing.
/// Takes no more memory than that, however much `text` writes.
#[must_use]
pub fn bounded(text: impl Display) -> String {
    within(text, MAX_TEXT)
}

/// The same of a part of a sentence, such as the value that was found where another was expected.
#[must_use]
pub fn excerpt(text: impl Display) -> String {
    within(text, MAX_EXCERPT)
}

/// A text that [`bounded`] made, and behind it what says how much is cut off, if so.
#[must_use]
pub fn split_cut(text: &str) -> (&str, &str) {
    let cut = text.ends_with(CUT[1]).then(|| text.rfind(CUT[0])).flatten();
    text.split_at(cut.unwrap_or(text.len()))
}

fn within(text: impl Display, limit: usize) -> String {
    let mut start = Start {
        kept: String::new(),
        limit,
        dropped: 0,
    };
    // It takes all that is written, and a text that cannot be written ends where that shows.
    let _infallible = write!(start, "{text}");
    start.end()
}

/// The start of what is written.
struct Start {
    kept: String,
    limit: usize,
    dropped: usize,
}

impl Start {
    fn end(mut self) -> String {
        if self.dropped == 0 {
            return self.kept;
        }
        let mut end = self.limit.saturating_sub(CUT_ROOM);
        while !self.kept.is_char_boundary(end) {
            end -= 1;
        }
        let dropped = self.dropped + self.kept.len() - end;
        self.kept.truncate(end);
        let [before, after] = CUT;
        let _infallible = write!(self.kept, "{before}{dropped}{after}");
        self.kept
    }
}

impl fmt::Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (at, c) in text.char_indices() {
            let c = shown_as(c);
            // Once something is cut off, nothing that would still fit is taken from behind the cut.
            if self.dropped > 0 || self.kept.len() + c.len_utf8() > self.limit {
                self.dropped += text.len() - at;
                break;
            }
            self.kept.push(c);
        }
        Ok(())
    }
}

/// A field of a message or report that is a text from outside: bounded and clean when it is read and when it is written.
pub mod field {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer).map(super::bounded)
    }

    /// Writes it.
    pub fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::bounded(text))
    }
}

/// The same of a field that may have none.
pub mod optional_field {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.map(super::bounded))
    }

    /// Writes it.
    pub fn serialize<S: Serializer>(
        text: &Option<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match text {
            Some(text) => serializer.serialize_some(&super::bounded(text)),
            None => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_character_and_says_how_much_is_missing() {
        let text = "é".repeat(5_000);
        let short = bounded(&text);
        assert!(short.len() <= MAX_TEXT, "{}", short.len());
        let (kept, cut) = split_cut(&short);
        assert!(text.starts_with(kept) && kept.len() > MAX_TEXT - 2 * CUT_ROOM);
        assert_eq!(cut, format!("… [{} bytes more]", text.len() - kept.len()));
        assert_eq!(bounded(&short), short, "once more changes nothing");
        let fits = "x".repeat(MAX_TEXT);
        assert_eq!(bounded(&fits), fits);
        assert_eq!(split_cut("plain"), ("plain", ""));
        assert!(excerpt(&text).len() <= MAX_EXCERPT);
    }

    #[test]
    fn memory_does_not_grow_with_what_is_written() {
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (0..100_000).try_for_each(|_| f.write_str("0123456789"))
            }
        }
        let text = bounded(Endless);
        assert!(text.capacity() <= 2 * MAX_TEXT, "{}", text.capacity());
        assert!(text.contains("0123… [999016 bytes more]") || text.ends_with(" bytes more]"));
    }

    #[test]
    fn no_control_and_no_bidirectional_override_is_left() {
        let evil = "a\u{9b}31m\u{7f}\u{1b}[0m\r\nb\u{202e}c\u{2066}d\u{200b}e\u{61c}f\u{2028}g\u{e0041}h\u{feff}";
        let expected =
            "a 31m  [0m  b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}f\u{fffd}g\u{fffd}h\u{fffd}";
        assert_eq!(bounded(evil), expected);
        assert_eq!(clean(evil), expected);
        let good = "Ünïcode 映像 ✓ … 'quoted' \u{fffd}";
        assert!(matches!(clean(good), Cow::Borrowed(_)));
    }

    #[test]
    fn fields_are_bounded_and_clean_in_both_directions() {
        #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
        struct Message {
            #[serde(with = "field")]
            one: String,
            #[serde(default, with = "optional_field")]
            other: Option<String>,
        }
        let long = format!("\u{1b}{}", "x".repeat(1_000_000));
        let message = Message {
            one: long.clone(),
            other: Some(long.clone()),
        };
        let written = serde_json::to_string(&message).unwrap();
        assert!(written.len() < 3 * MAX_TEXT, "{}", written.len());
        let json = format!(
            r#"{{"one":"{0}","other":"{0}"}}"#,
            long.replace('\u{1b}', "\\u001b")
        );
        let read: Message = serde_json::from_str(&json).unwrap();
        assert_eq!(read.one, bounded(&long));
        assert_eq!(read.other, Some(bounded(&long)));
        let none: Message = serde_json::from_str(r#"{"one":""}"#).unwrap();
        assert_eq!(none.other, None);
    }
}
