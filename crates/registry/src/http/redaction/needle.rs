//! Finding a secret in a text, whatever that text is encoded in.

use image_sync_shared::text::is_deceptive;

/// What stands in its place.
const HIDDEN: &str = "[secret]";
/// A piece of a secret at the end of a text, which may have been cut, is as long as this at least.
const SHORTEST_PIECE: usize = 6;
/// As much of the start of a secret is taken for it, so that nearly a secret at every place of a text takes no long time.
const ENOUGH: usize = 48;
/// How many characters may stand inside of a secret that are not seen.
const MOST_UNSEEN: usize = 64;

/// No entity that is read here is longer.
const LONGEST_ENTITY: usize = 12;

/// A text that is looked for, its letters in lower case: names of hosts and schemes are made so.
pub(crate) struct Needle(Vec<char>);

/// What one character of a text may be read as, and where the next one begins.
struct Reading {
    as_char: char,
    next: usize,
}

impl Needle {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.chars().flat_map(char::to_lowercase).collect())
    }

    /// `text` with all that may be read as this hidden.
    pub(crate) fn hide_in(&self, text: String) -> String {
        let Some(first) = self.0.first() else {
            return text;
        };
        let (mut hidden, mut kept_to, mut at) = (String::new(), 0, 0);
        while let Some(c) = text[at..].chars().next() {
            let may_begin = c == '\\' || c == '%' || c == '&' || is_same(c, *first);
            match may_begin.then(|| self.end_at(&text, at)).flatten() {
                Some(end) if end > at => {
                    hidden.push_str(&text[kept_to..at]);
                    hidden.push_str(HIDDEN);
                    (kept_to, at) = (end, end);
                }
                _ => at += c.len_utf8(),
            }
        }
        if kept_to == 0 {
            return text;
        }
        hidden.push_str(&text[kept_to..]);
        hidden
    }

    /// Where this ends in `text`, if it begins at `start`: there may be several ways to read the text, and one is enough.
    fn end_at(&self, text: &str, start: usize) -> Option<usize> {
        let (mut places, mut found, mut unseen) = (vec![start], 0, 0);
        while found < self.0.len() {
            let mut next = Vec::new();
            for at in &places {
                for reading in readings(text, *at) {
                    if is_same(reading.as_char, self.0[found]) {
                        next.push(reading.next);
                    }
                }
            }
            next.sort_unstable();
            next.dedup();
            if !next.is_empty() {
                (places, found) = (next, found + 1);
                continue;
            }
            if places.contains(&text.len()) && found >= SHORTEST_PIECE {
                return Some(text.len());
            }
            // Characters that are not seen do not make it another text.
            let skipped: Vec<usize> = places
                .iter()
                .filter_map(|at| behind_unseen(text, *at))
                .collect();
            unseen += 1;
            if found == 0 || skipped.is_empty() || unseen > MOST_UNSEEN {
                let is_enough = found >= ENOUGH;
                return is_enough.then(|| places.into_iter().max()).flatten();
            }
            places = skipped;
        }
        places.into_iter().max()
    }
}

fn is_same(c: char, lower: char) -> bool {
    let as_base64_of_urls = matches!((c, lower), ('-', '+') | ('_', '/'));
    c == lower || c.to_lowercase().eq([lower]) || as_base64_of_urls
}

/// Behind the character at `at`, if it is one that is not seen.
fn behind_unseen(text: &str, at: usize) -> Option<usize> {
    let is_unseen = |c: char| is_deceptive(c) || c == char::REPLACEMENT_CHARACTER;
    readings(text, at)
        .into_iter()
        .filter(|reading| is_unseen(reading.as_char))
        .map(|reading| reading.next)
        .max()
}

/// All that the text may say at `at`: the character itself, and what an escape of JSON, of a URL, of HTML or of a debug form
/// stands for.
fn readings(text: &str, at: usize) -> Vec<Reading> {
    let rest = &text[at..];
    let Some(c) = rest.chars().next() else {
        return Vec::new();
    };
    let mut readings = vec![Reading {
        as_char: c,
        next: at + c.len_utf8(),
    }];
    let escaped = match c {
        '\\' => backslash(rest),
        '%' => percent(rest),
        '&' => entity(rest),
        _ => None,
    };
    readings.extend(escaped.map(|(as_char, length)| Reading {
        as_char,
        next: at + length,
    }));
    readings
}

/// `\n`, `\"`, `\u003c` or `\u{3c}`, with as many backslashes as an escape of an escape has.
fn backslash(rest: &str) -> Option<(char, usize)> {
    let body = rest.trim_start_matches('\\');
    let slashes = rest.len() - body.len();
    let Some(c) = body.chars().next() else {
        return Some(('\\', slashes));
    };
    if let Some(digits) = body.strip_prefix("u{") {
        let (digits, _) = digits.split_once('}')?;
        let code = u32::from_str_radix(digits, 16).ok()?;
        return Some((char::from_u32(code)?, slashes + digits.len() + "u{}".len()));
    }
    if c == 'u' {
        let unit = hex(body.get(1..5)?)?;
        if let Some(as_char) = char::from_u32(unit) {
            return Some((as_char, slashes + 5));
        }
        let low = body.get(5..)?.trim_start_matches('\\');
        let low = low.strip_prefix('u')?;
        let low_unit = hex(low.get(..4)?)?;
        let units = [u16::try_from(unit).ok()?, u16::try_from(low_unit).ok()?];
        let as_char = char::decode_utf16(units).next()?.ok()?;
        return Some((as_char, rest.len() - low.len() + 4));
    }
    if c == 'x' {
        let as_char = char::from_u32(hex(body.get(1..3)?)?)?;
        return Some((as_char, slashes + 3));
    }
    let as_char = match c {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        'b' => '\u{8}',
        'f' => '\u{c}',
        '"' | '\'' | '/' => c,
        _ => return Some(('\\', slashes)),
    };
    Some((as_char, slashes + 1))
}

/// `%3C`, or `%253C` and so on; several of them where a character has several bytes.
fn percent(rest: &str) -> Option<(char, usize)> {
    let (first, mut length) = percent_byte(rest)?;
    let mut bytes = vec![first];
    loop {
        match str::from_utf8(&bytes) {
            Ok(text) => return text.chars().next().map(|c| (c, length)),
            Err(error) if error.error_len().is_some() => return None,
            Err(_) => {
                let (byte, more) = percent_byte(&rest[length..])?;
                bytes.push(byte);
                length += more;
            }
        }
    }
}

fn percent_byte(rest: &str) -> Option<(u8, usize)> {
    let mut digits = rest.strip_prefix('%')?;
    while let Some(again) = digits.strip_prefix("25") {
        if again.get(..2).and_then(hex).is_none() {
            break;
        }
        digits = again;
    }
    let byte = u8::try_from(hex(digits.get(..2)?)?).ok()?;
    Some((byte, rest.len() - digits.len() + 2))
}

/// `&lt;` and its like, or `&#60;`, or `&#x3c;`.
fn entity(rest: &str) -> Option<(char, usize)> {
    let end = rest
        .bytes()
        .take(LONGEST_ENTITY)
        .position(|byte| byte == b';')?;
    let name = &rest[1..end];
    let as_char = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => hex(digits)?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((as_char, name.len() + "&;".len()))
}

fn hex(digits: &str) -> Option<u32> {
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_secret_is_hidden() {
        let needle = Needle::new("hunter2");
        let hide = |text: &str| needle.hide_in(text.to_owned());
        assert_eq!(
            hide("hunter hunter2hunter2 hunte"),
            "hunter [secret][secret] hunte"
        );
        for text in [
            "", "\\", "%", "&", "\\u", "%2", "&#;", "\\u{", "\\ud800", "h\\u{zz}", "%ff", "h\0",
        ] {
            assert_eq!(hide(text), text);
        }
    }

    #[test]
    fn a_secret_of_escapes_is_found_as_it_is() {
        for secret in ["a\\u0041b%41&lt;c", "%25%25%25", "\\\\\\\\\\\\", "&&&&&&"] {
            let hidden = Needle::new(secret).hide_in(format!("x {secret} y"));
            assert!(
                hidden.contains("[secret]") && hidden.starts_with("x "),
                "{hidden}"
            );
        }
    }

    #[test]
    fn a_text_that_nearly_is_the_secret_everywhere_takes_no_long_time() {
        let needle = Needle::new(&format!("{}b", "a".repeat(2_000)));
        let text = format!("{}c", "a".repeat(16 * 1024));
        let hidden = format!("{}c", "[secret]".repeat(9));
        assert_eq!(needle.hide_in(text.clone()), hidden);
        let short = Needle::new(&format!("{}b", "a".repeat(ENOUGH - 2)));
        assert_eq!(short.hide_in(text.clone()), text);
    }
}
