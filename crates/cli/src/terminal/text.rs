//! Text that fits its place on a terminal.

use std::borrow::Cow;

use console::{measure_text_width, truncate_str};
use image_sync_shared::text::{clean, is_deceptive};

/// `text` on one line, without characters that registries could send to play with the terminal or its reader.
pub(crate) fn printable(text: &str) -> String {
    clean(text).into_owned()
}

/// The same of a text of several lines.
pub(crate) fn printable_lines(text: &str) -> String {
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(clean).collect();
    lines.join("\n")
}

/// A log line, whose end alone is one: what it tells of others can neither begin another nor play with the terminal. The
/// escapes of colours are left where the line is written in colour.
pub(crate) fn log_line(line: &str, colour: bool) -> Cow<'_, str> {
    let text = line.strip_suffix('\n').unwrap_or(line);
    let is_shown = |c: char| !is_deceptive(c) || (colour && c == ESCAPE);
    if text.chars().all(is_shown) {
        return Cow::Borrowed(line);
    }
    let mut clean = String::with_capacity(line.len() + 16);
    for c in text.chars() {
        if is_shown(c) {
            clean.push(c);
        } else {
            clean.extend(c.escape_unicode());
        }
    }
    clean.push_str(&line[text.len()..]);
    Cow::Owned(clean)
}

const ESCAPE: char = '\u{1b}';

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
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a [2Jb c");
        assert_eq!(printable("a\u{202e}b"), "a\u{fffd}b");
        assert_eq!(printable_lines("a\u{9b}b\nc\r"), "a b\nc ");
    }

    #[test]
    fn a_log_line_is_one_line_and_coloured_by_nobody_else() {
        assert_eq!(log_line("plain ü\n", false), "plain ü\n");
        let forged = log_line("a\n2026 ERROR forged\u{9b}\u{202e}\u{1b}[31m\n", false);
        assert_eq!(
            forged,
            "a\\u{a}2026 ERROR forged\\u{9b}\\u{202e}\\u{1b}[31m\n"
        );
        assert_eq!(
            log_line("\u{1b}[31mred\u{7f}\n", true),
            "\u{1b}[31mred\\u{7f}\n"
        );
    }
}
