//! Regular expressions as regsync has them: with a `^` before and a `$` behind, and nothing around.

use crate::dialects::patterns::{anywhere, has_alternatives};

/// The expression for a whole text that matches what `^text$` does, and whether that is more than a whole text.
pub(super) fn whole(text: &str) -> (String, bool) {
    // A | binds weaker than what stands beside it: only the first branch has the ^, only the last one the $.
    (anywhere(&format!("^{text}$")), has_alternatives(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag_rules::Pattern;

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
