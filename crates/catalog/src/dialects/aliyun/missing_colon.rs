//! A rule whose colon was forgotten, for which YAML's own errors name another line.

use image_sync_shared::text::excerpt;

use crate::problem::{Place, Problem, without_secrets};

/// What is wrong with the first line up to line `last` that is a rule but for its colon.
pub(in crate::dialects) fn missing_colon(text: &str, last: u32) -> Option<Problem> {
    let lines = (1..=last).zip(text.lines());
    lines.into_iter().find_map(|(line, content)| {
        let rule = content.trim_start();
        let indent = content.chars().count() - rule.chars().count();
        let column = u32::try_from(indent + 1).ok()?;
        // What may hold a password is not repeated.
        without_secrets(rule).ok()?;
        let told = told(rule.trim_end())?;
        let text = format!("a rule is source: target; {told}");
        Some(Problem::new(text).at(Place { line, column }))
    })
}

fn told(rule: &str) -> Option<String> {
    let has_colon = rule.contains(": ") || rule.contains(":\t") || rule.ends_with(':');
    if has_colon || rule.starts_with(['#', '-', '{', '[', '%', '&', '*', '!', '|', '>']) {
        return None;
    }
    let mut words = rule
        .split_whitespace()
        .take_while(|word| !word.starts_with('#'));
    let (first, second) = (words.next()?, words.next());
    if let Some(second) = second {
        let is_rule = is_image(first) && second.contains('/') && words.next().is_none();
        let second = excerpt(bare(second));
        return is_rule.then(|| format!("a colon and a space are missing before {second}"));
    }
    // The last colon that has a host behind it; one before a tag has none.
    let colons = first.match_indices(':').map(|(at, _)| at);
    let mut targets = colons
        .map(|at| &first[at + 1..])
        .filter(|rest| begins_with_host(rest));
    let target = excerpt(bare(targets.next_back()?));
    Some(format!(
        "a space is missing behind the colon before {target}"
    ))
}

fn bare(word: &str) -> &str {
    word.trim_matches(['"', '\''])
}

fn is_image(word: &str) -> bool {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "-_./:,@".contains(letter);
    bare(word).chars().all(is_of_name)
}

fn begins_with_host(text: &str) -> bool {
    let host = bare(text).split_once('/').map_or("", |(host, _)| host);
    host.contains('.') || host.starts_with("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, last: u32) -> Option<String> {
        missing_colon(text, last).map(|problem| {
            let Place { line, column } = problem.place().unwrap();
            format!("{line}:{column}: {problem}")
        })
    }

    #[test]
    fn a_rule_without_its_colon_is_told_where_it_stands() {
        for (line, expected) in [
            (
                "nginx:1.25 r.example.com/ns/nginx",
                "1: a rule is source: target; a colon and a space are missing before r.example.com/ns/nginx",
            ),
            (
                "  nginx r.example.com/ns/nginx # x",
                "3: a rule is source: target; a colon and a space are missing before r.example.com/ns/nginx",
            ),
            (
                "\"nginx:1.25\" \"r.example.com/ns/nginx\"",
                "1: a rule is source: target; a colon and a space are missing before r.example.com/ns/nginx",
            ),
            (
                "nginx:1.25:r.example.com:5000/ns/nginx:1",
                "1: a rule is source: target; a space is missing behind the colon before r.example.com:5000/ns/nginx:1",
            ),
            (
                "nginx:localhost:5000/nginx",
                "1: a rule is source: target; a space is missing behind the colon before localhost:5000/nginx",
            ),
        ] {
            let text = format!("# a: b\na:1: r.example.com/a\n{line}\nb:1: r.example.com/b\n");
            assert_eq!(told(&text, 4), Some(format!("3:{expected}")));
            assert_eq!(told(&text, 2), None, "the error is before it");
        }
    }

    #[test]
    fn other_lines_are_none_and_no_password_is_repeated() {
        for line in [
            "# nginx r.example.com/nginx",
            "- r.example.com/nginx",
            "nginx: r.example.com/nginx",
            "nginx:1:",
            "nginx:1.25",
            "r.example.com:5000/nginx",
            "one two three",
            "nginx https://me:hunter2@r.example.com/nginx",
            "",
        ] {
            assert_eq!(told(line, 1), None, "{line}");
        }
    }
}
