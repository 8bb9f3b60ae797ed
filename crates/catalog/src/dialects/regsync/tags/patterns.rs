//! Regular expressions as regsync has them: with a `^` before and a `$` behind, and nothing around.

use crate::tag_rules::Pattern;

/// The tag of a signature.
const OF_ARTIFACT: &str =
    "sha256-0000000000000000000000000000000000000000000000000000000000000000.sig";

/// The expression for a whole text that matches what `^text$` does, and whether that is more than a whole text.
pub(super) fn whole(text: &str) -> (String, bool) {
    let branches = branches(text);
    let [first, others @ .., last] = branches.as_slice() else {
        return (text.to_owned(), false);
    };
    if branches.len() < 2 {
        return (text.to_owned(), false);
    }
    // A | binds weaker than what stands beside it: only the first branch has the ^, only the last one the $.
    let others = others.iter().map(|branch| format!(".*{branch}.*"));
    let all = [format!("{first}.*")].into_iter().chain(others);
    let all: Vec<String> = all.chain([format!(".*{last}")]).collect();
    (all.join("|"), true)
}

/// Whether it matches the tag of a signature.
pub(super) fn has_artifacts(pattern: &Pattern) -> bool {
    pattern.matches(OF_ARTIFACT)
}

/// The branches of the outermost alternation.
fn branches(text: &str) -> Vec<&str> {
    let mut branches = Vec::new();
    let (mut begin, mut depth, mut class) = (0, 0_usize, None);
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
            continue;
        }
        if let Some(opened) = class {
            // A bracket right behind that of a class belongs to it, also behind a ^.
            let is_first = matches!(&text[opened..at], "[" | "[^");
            class = class.filter(|_| letter != ']' || is_first);
            continue;
        }
        match letter {
            '[' => class = Some(at),
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                branches.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    branches.push(&text[begin..]);
    branches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_matches_what_it_matches_between_a_caret_and_a_dollar() {
        for (text, matched, others) in [
            ("v1.*", &["v1", "v1.2"][..], &["xv1"][..]),
            (
                "latest|edge",
                &["latest", "latest-dev", "edge", "my-edge"],
                &["my-latest-x", "edge-1"],
            ),
            ("a|b|c", &["a", "ax", "xbx", "xc"], &["xa", "cx"]),
            ("(a|b)", &["a", "b"], &["ax", "xb"]),
            ("[|]a", &["|a"], &["a"]),
            ("[]|]", &["|", "]"], &["x"]),
            ("a\\|b", &["a|b"], &["a"]),
            ("^(a|b)$", &["a"], &["ax"]),
            ("(?i)v1|v2", &["V1x", "xV2"], &["V2x"]),
        ] {
            let (whole, _) = whole(text);
            let pattern = Pattern::parse(&whole).unwrap();
            for tag in matched {
                assert!(pattern.matches(tag), "{tag} by {text}");
            }
            for tag in others {
                assert!(!pattern.matches(tag), "{tag} by {text}");
            }
        }
    }
}
