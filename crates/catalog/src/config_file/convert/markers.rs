//! What stands for a variable of the environment while a config is converted: letters with a dot, which may be a part of any name
//! and all of a host.

use std::fmt::Write as _;

const BEGIN: &str = "zqvar";
const END: &str = ".rav";
const DIGITS: [char; 16] = [
    'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 's', 't', 'u', 'w', 'x',
];

/// The marker of a variable, as its value.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the type of what looks variables up"
)]
pub(super) fn of_variable(name: &str) -> Option<String> {
    let digits = name.bytes().flat_map(|byte| {
        let digit = |of: u8| DIGITS[usize::from(of)];
        [digit(byte >> 4), digit(byte & 15)]
    });
    Some(format!("{BEGIN}{}{END}", digits.collect::<String>()))
}

/// The variable that a text is, if it is one and nothing else.
pub(super) fn only_variable(text: &str) -> Option<String> {
    let digits = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    decoded(digits)
}

/// The text with `${NAME}` in place of markers.
pub(super) fn as_variables(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        written.push_str(before);
        let marked = after.split_once(END);
        let name = marked.and_then(|(digits, after)| Some((decoded(digits)?, after)));
        rest = if let Some((name, after)) = name {
            let _infallible = write!(written, "${{{name}}}");
            after
        } else {
            written.push_str(BEGIN);
            after
        };
    }
    written.push_str(rest);
    written
}

fn decoded(digits: &str) -> Option<String> {
    let values: Option<Vec<u8>> = digits
        .chars()
        .map(|digit| u8::try_from(DIGITS.iter().position(|known| *known == digit)?).ok())
        .collect();
    let bytes: Option<Vec<u8>> = values?
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(high << 4 | low),
            _ => None,
        })
        .collect();
    String::from_utf8(bytes?)
        .ok()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_may_be_parts_of_names_and_are_variables_again() {
        for name in ["HUB_USER", "a1", "_"] {
            let marker = of_variable(name).unwrap();
            let is_plain = |letter: char| letter.is_ascii_lowercase() || letter == '.';
            assert!(marker.chars().all(is_plain), "{marker}");
            assert_eq!(only_variable(&marker).as_deref(), Some(name));
            let text = format!("docker.io/{marker}/{marker}:1");
            assert_eq!(
                as_variables(&text),
                format!("docker.io/${{{name}}}/${{{name}}}:1")
            );
        }
        for text in ["", "zqvar", "zqvar.rav", "zqvar11.rav", "plain"] {
            assert_eq!(only_variable(text), None, "{text}");
            assert_eq!(as_variables(text), text);
        }
    }
}
