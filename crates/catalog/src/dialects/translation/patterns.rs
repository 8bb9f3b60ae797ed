//! Regular expressions of other tools, which match anywhere in a tag or a name; those of this program match all of it.

use crate::tag_rules::Pattern;

/// The tag of a signature.
const OF_ARTIFACT: &str =
    "sha256-0000000000000000000000000000000000000000000000000000000000000000.sig";
const ANY: &str = ".*";

/// A pattern for the whole text that holds for the texts in which `regex` matches somewhere.
pub(in crate::dialects) fn anywhere(regex: &str) -> String {
    if has_alternatives(regex) || changes_anchors(regex) {
        return format!("{ANY}(?:{regex}){ANY}");
    }
    let (is_begin, rest) = match regex.strip_prefix('^') {
        // What is repeated there is the anchor.
        Some(rest) if !rest.starts_with(['*', '+', '?', '{']) => (true, rest),
        _ => (false, regex),
    };
    let (is_end, rest) = match without_end(rest) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let before = if is_begin || rest.starts_with(ANY) {
        ""
    } else {
        ANY
    };
    let has_any = rest.ends_with(ANY) && !rest.ends_with(r"\.*") || rest.is_empty() && !is_begin;
    let after = if is_end || has_any { "" } else { ANY };
    format!("{before}{rest}{after}")
}

/// Whether the tags of signatures are among those that are let in and not left out.
pub(in crate::dialects) fn has_artifacts(include: &[String], exclude: &[String]) -> bool {
    let is_any = |patterns: &[String]| {
        let mut patterns = patterns.iter().filter_map(|text| Pattern::parse(text).ok());
        patterns.any(|pattern| is_of_artifacts(&pattern))
    };
    (include.is_empty() || is_any(include)) && !is_any(exclude)
}

/// Whether it matches the tag of a signature.
pub(in crate::dialects) fn is_of_artifacts(pattern: &Pattern) -> bool {
    pattern.matches(OF_ARTIFACT)
}

/// The same without the `$` at its end, if that is no character of the text.
fn without_end(regex: &str) -> Option<&str> {
    let rest = regex.strip_suffix('$')?;
    let escapes = rest.len() - rest.trim_end_matches('\\').len();
    escapes.is_multiple_of(2).then_some(rest)
}

/// Whether flags say that anchors stand for lines, or that blanks and `#` are no characters.
fn changes_anchors(regex: &str) -> bool {
    regex.split("(?").skip(1).any(|behind| {
        let end = behind.find(|letter: char| !letter.is_ascii_alphabetic());
        let flags = end.map_or(behind, |end| &behind[..end]);
        let is_name = behind[flags.len()..].starts_with(['<', '=', '!']);
        !is_name && flags.contains(['m', 'x'])
    })
}

/// Whether a `|` stands outside of all groups, so that an anchor belongs to one side of it alone.
pub(in crate::dialects) fn has_alternatives(regex: &str) -> bool {
    let (mut depth, mut class) = (0_usize, None);
    let mut letters = regex.char_indices();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
            continue;
        }
        if let Some(opened) = class {
            // A bracket right behind that of a class belongs to it, also behind a ^.
            let is_first = matches!(&regex[opened..at], "[" | "[^");
            class = class.filter(|_| letter != ']' || is_first);
            continue;
        }
        match letter {
            '[' => class = Some(at),
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_for_the_whole_text_holds_where_the_regex_matches_somewhere() {
        for (regex, pattern) in [
            (r"^latest$", r"latest"),
            (r"^1\.13\.[12]-alpine$", r"1\.13\.[12]-alpine"),
            (r"^v(1|2)$", r"v(1|2)"),
            (r"^[|$]$", r"[|$]"),
            (r"^[]|]$", r"[]|]"),
            (r"alpine", r".*alpine.*"),
            (r"a+", r".*a+.*"),
            (r"^3\.", r"3\..*"),
            (r"-alpine$", r".*-alpine"),
            (r"^a$|^b$", r".*(?:^a$|^b$).*"),
            (r"^a$|b", r".*(?:^a$|b).*"),
            (r"^a\$", r"a\$.*"),
            (r"^a\|b$", r"a\|b"),
            (r"(?i)rc", r".*(?i)rc.*"),
            (r"(?m)^rc", r".*(?:(?m)^rc).*"),
            (r"(?x) r c", r".*(?:(?x) r c).*"),
            (r"(?P<max>1)", r".*(?P<max>1).*"),
            (r"^*a", r".*^*a.*"),
            (r".*", r".*"),
            (r"a.*", r".*a.*"),
            (r"a\.*", r".*a\.*.*"),
            (r"", r".*"),
            (r"^", r".*"),
            (r"$", r".*"),
            (r"^$", r""),
        ] {
            assert_eq!(anywhere(regex), pattern);
            let Ok(part) = regex::Regex::new(regex) else {
                continue;
            };
            let whole = Pattern::parse(pattern).unwrap();
            for tag in [
                "a",
                "aa",
                "a.",
                "latest",
                "latest-1",
                "v1",
                "v12",
                "xv1",
                "1-alpine",
                "b",
                "cab",
                "RC1",
                "xrc",
                "a$",
                "a$x",
                "a|b",
                "3.1",
                "|",
                "]",
                "1.13.1-alpine",
            ] {
                assert_eq!(whole.matches(tag), part.is_match(tag), "{regex} {tag}");
            }
        }
    }

    #[test]
    fn anchors_hold_for_their_alternative_alone() {
        let pattern = Pattern::parse(&anywhere(r"^v?\d+(\.\d+){0,2}(-.+)?$|^latest$")).unwrap();
        for tag in ["7", "v7.0", "7.0.1-debian", "latest"] {
            assert!(pattern.matches(tag), "{tag}");
        }
        for tag in ["latest-1", "a7", "7.0.1.2"] {
            assert!(!pattern.matches(tag), "{tag}");
        }
    }
}
