//! Text that fits its place on a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use console::{measure_text_width, truncate_str};

/// `text` without control characters, which registries could send to play with the terminal.
pub(crate) fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(visible).collect()
}

/// JSON with all control characters escaped: JSON itself leaves DEL and the C1 set as they are (RFC 8259, section 7), and
/// terminals obey them.
pub(crate) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() && c != '\n' {
            let _infallible = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// The start of `text`, `width` columns at most.
pub(crate) fn keep_start(text: &str, width: usize) -> Cow<'_, str> {
    truncate_str(text, width, "…")
}

/// The end of `text`, `width` columns at most: of an image's name it tells more than the start.
pub(crate) fn keep_end(text: &str, width: usize) -> Cow<'_, str> {
    let surplus = measure_text_width(text).saturating_sub(width);
    if surplus == 0 {
        return Cow::Borrowed(text);
    }
    let mut dropped = 0;
    let kept = text.char_indices().find(|(at, _)| {
        dropped = measure_text_width(&text[..*at]);
        dropped > surplus
    });
    let start = kept.map_or(text.len(), |(at, _)| at);
    Cow::Owned(format!("…{}", &text[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_left_alone() {
        assert_eq!(keep_end("nginx", 5), "nginx");
        assert_eq!(keep_start("nginx", 5), "nginx");
    }

    #[test]
    fn the_end_or_the_start_is_kept() {
        assert_eq!(keep_end("docker.io/library/nginx", 8), "…y/nginx");
        assert_eq!(keep_start("source: check", 8), "source:…");
        assert_eq!(keep_end("nginx", 1), "…");
    }

    #[test]
    fn wide_characters_count_as_two_columns() {
        assert_eq!(measure_text_width(&keep_end("映像映像", 5)), 5);
        assert!(measure_text_width(&keep_end("映像映像", 4)) <= 4);
    }

    #[test]
    fn json_stays_the_same_with_its_control_characters_escaped() {
        let nasty = "a\u{1b}[2J\u{9b}2J\u{7f}\r\n\tb ü";
        let json = serde_json::to_string_pretty(&[nasty]).unwrap();
        let safe = escaped(&json);
        assert!(
            safe.chars().all(|c| !c.is_control() || c == '\n'),
            "{safe:?}"
        );
        assert!(safe.contains("\\u009b2J\\u007f"), "{safe}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&safe).unwrap(), [nasty]);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }
}
