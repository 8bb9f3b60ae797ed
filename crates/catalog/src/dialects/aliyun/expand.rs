//! Variables of the environment in targets and credentials: `$NAME` and `${NAME}`, as in Go's `os.ExpandEnv`.

use image_sync_shared::text::excerpt;

use super::super::translation::Translator;
use crate::problem::Problem;

const IN_SECRET: &str = "found a $ that begins no variable which is set; in this file it always begins one, so expected a variable that has the whole value, as in ${PASSWORD}";

/// The text with what its variables stand for. A `$` before anything but a name stands for itself at the end and before a
/// character that no variable is called by. `key` says what the text is.
pub(super) fn expanded(text: &str, key: &str, to: &mut Translator<'_>) -> Result<String, Problem> {
    let is_secret = key != "target";
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        let Some((name, behind)) = variable(after) else {
            filled.push('$');
            rest = after;
            continue;
        };
        if !is_name(name) {
            let found = excerpt(after);
            return Err(Problem::new(if is_secret {
                IN_SECRET.to_owned()
            } else {
                format!("found ${found:?}, expected $NAME or ${{NAME}}").replace("$\"", "\"$")
            }));
        }
        let value = to.variable(name, key);
        // In a password, what looks like the name of a variable may be a part of it.
        let may_be_told = !is_secret || name.bytes().all(is_usual);
        filled.push_str(&value.map_err(|problem| {
            if may_be_told {
                problem
            } else {
                Problem::new(IN_SECRET)
            }
        })?);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// What is called behind a `$`, and what follows it; none where the `$` stands for itself.
fn variable(after: &str) -> Option<(&str, &str)> {
    if let Some(inside) = after.strip_prefix('{') {
        return Some(inside.split_once('}').unwrap_or(("", inside)));
    }
    let end = after.find(|letter: char| !is_of_name(letter));
    let (name, behind) = after.split_at(end.unwrap_or(after.len()));
    match after.chars().next()? {
        // The tool takes each of these for a variable of a shell.
        '*' | '#' | '$' | '@' | '!' | '?' | '-' | '0'..='9' => Some(("", after)),
        _ if name.is_empty() => None,
        _ => Some((name, behind)),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(is_of_name)
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn is_usual(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'
}
