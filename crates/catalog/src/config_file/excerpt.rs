//! The line of a file where something is wrong, with a mark below it.

use crate::problem::{Place, Problem, Step, names_a_secret};

/// How many characters of a line are shown, and how many of them before the place.
const LONGEST: usize = 100;
const BEFORE: usize = 60;
/// Words behind which a secret may stand on the same line, whatever is between.
const SECRETS: [&str; 6] = [
    "password",
    "passwd",
    "token",
    "secret",
    "username",
    "credential",
];

/// The same in the files of other tools.
const FOREIGN: [&str; 4] = ["pass", "auth", "cred", "user"];

/// The line of `problem` in `text`, and a mark; none where there is nothing to be seen, or a secret may be.
///
/// A foreign text is that of another tool, whose keys are not known here: secrets are looked for by more words.
pub(super) fn excerpt(text: &str, is_foreign: bool, problem: &Problem) -> Option<String> {
    let Place { line, column } = problem.place()?;
    let before = usize::try_from(line).ok()?.checked_sub(1)?;
    let content = text.lines().nth(before)?;
    let path = problem.path();
    if is_foreign
        && section(text, before).any(|line| FOREIGN.iter().any(|word| line.contains(word)))
    {
        return None;
    }
    let is_secret = match path.first() {
        // It may be in the midst of anything that was begun before.
        None => section(text, before).any(|line| may_hold_a_secret(line) || names_registries(line)),
        Some(Step::Key(key)) => key == "registries" || may_hold_a_secret(content),
        Some(Step::Index(_)) => may_hold_a_secret(content),
    };
    if is_secret || problem.is_of_something_unknown() {
        return None;
    }
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    marked(line, content, column)
}

fn marked(line: u32, content: &str, column: usize) -> Option<String> {
    let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
    let letters: Vec<char> = content.trim_end().chars().map(printable).collect();
    if column > letters.len() {
        return None;
    }
    let begin = if letters.len() > LONGEST {
        column.saturating_sub(BEFORE)
    } else {
        0
    };
    let end = letters.len().min(begin + LONGEST);
    let shown: String = letters.get(begin..end)?.iter().collect();
    let dots = |is_cut| if is_cut { "..." } else { "" };
    let (left, right) = (dots(begin > 0), dots(end < letters.len()));
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let indent = " ".repeat(left.len() + column - begin);
    let mark = "^".repeat(width(letters.get(column..end)?).max(1));
    Some(format!(
        " {number} | {left}{shown}{right}\n {margin} | {indent}{mark}"
    ))
}

/// How many characters the value or key has that begins there.
fn width(rest: &[char]) -> usize {
    let end = match rest.first() {
        None => None,
        Some(quote @ ('"' | '\'')) => {
            let closing = rest.iter().skip(1).position(|letter| letter == quote);
            closing.map(|at| at + 2)
        }
        Some('[' | '{') => Some(1),
        Some(_) => end_of_plain(rest),
    };
    end.unwrap_or(rest.len())
}

/// Where a value that is not quoted ends. The braces of variables are a part of it.
fn end_of_plain(rest: &[char]) -> Option<usize> {
    let mut open = 0_usize;
    for (at, letter) in rest.iter().enumerate() {
        let next = rest.get(at + 1);
        match letter {
            '{' if at > 0 && rest[at - 1] == '$' => open += 1,
            '}' if open > 0 => open -= 1,
            ',' | ']' | '}' if open == 0 => return Some(at),
            ':' if next.is_none_or(|next| *next == ' ') => return Some(at),
            ' ' if next.is_none_or(|next| matches!(next, '#' | ' ')) => return Some(at),
            _ => {}
        }
    }
    None
}

/// The lines of the key of the whole file in which this line is, that line included.
fn section(text: &str, line: usize) -> impl Iterator<Item = &str> {
    let lines = text.lines().take(line + 1);
    let begin = lines
        .clone()
        .enumerate()
        .filter(|(_, line)| begins_a_section(line));
    let begin = begin.last().map_or(0, |(at, _)| at);
    lines.skip(begin)
}

fn begins_a_section(line: &str) -> bool {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let name = line.trim_start_matches(is_name);
    name.len() < line.len() && (name.trim_end() == ":" || name.starts_with(": "))
}

fn names_registries(line: &str) -> bool {
    line.contains("registries")
}

fn may_hold_a_secret(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    SECRETS.iter().any(|word| lower.contains(word))
        || keys(&lower).any(names_a_secret)
        || has_user_or_query(line)
}

/// What stands before a `: ` or a `":`.
fn keys(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices(':').filter_map(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + 1..]);
        let is_key = after.is_empty() || after.starts_with(' ') || before.ends_with(['"', '\'']);
        let begin = before.rfind(['{', ',', ' ']).map_or(0, |at| at + 1);
        is_key.then(|| &before[begin..])
    })
}

/// Whether there is an `@` that begins no digest, or a query.
fn has_user_or_query(line: &str) -> bool {
    let is_digest = |rest: &str| rest.starts_with("sha256:") || rest.starts_with("sha512:");
    let mut users = line.match_indices('@');
    let query = line.split_once('?');
    users.any(|(at, _)| !is_digest(&line[at + 1..]))
        || query.is_some_and(|(_, rest)| rest.contains('='))
}
