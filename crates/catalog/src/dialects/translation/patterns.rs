//! Regular expressions of other tools, which match anywhere in a tag or a name; those of this program match all of it.

/// A pattern for the whole text that holds for the texts in which `regex` matches somewhere.
pub(in crate::dialects) fn anywhere(regex: &str) -> String {
    let whole = regex.strip_prefix('^').and_then(without_end);
    match whole {
        Some(whole) if !has_alternatives(regex) => whole.to_owned(),
        _ => format!(".*(?:{regex}).*"),
    }
}

/// The same without the `$` at its end, if that is no character of the text.
fn without_end(regex: &str) -> Option<&str> {
    let rest = regex.strip_suffix('$')?;
    let escapes = rest.len() - rest.trim_end_matches('\\').len();
    escapes.is_multiple_of(2).then_some(rest)
}

/// Whether a `|` stands outside of all groups, so that an anchor belongs to one side of it alone.
fn has_alternatives(regex: &str) -> bool {
    let (mut depth, mut in_class) = (0_usize, false);
    let mut letters = regex.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                letters.next();
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => depth += 1,
            ')' if !in_class => depth = depth.saturating_sub(1),
            '|' if !in_class && depth == 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag_rules::Pattern;

    #[test]
    fn a_pattern_for_the_whole_text_holds_where_the_regex_matches_somewhere() {
        for (regex, pattern) in [
            (r"^latest$", r"latest"),
            (r"^1\.13\.[12]-alpine$", r"1\.13\.[12]-alpine"),
            (r"^v(1|2)$", r"v(1|2)"),
            (r"^[|$]$", r"[|$]"),
            (r"alpine", r".*(?:alpine).*"),
            (r"^3\.", r".*(?:^3\.).*"),
            (r"^a$|^b$", r".*(?:^a$|^b$).*"),
            (r"^a\$", r".*(?:^a\$).*"),
            (r"^a\|b$", r"a\|b"),
        ] {
            assert_eq!(anywhere(regex), pattern);
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
