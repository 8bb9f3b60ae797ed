//! Ranges of versions as regsync reads them: bounds with blanks between them, all of which have to hold. A version may lack
//! numbers, which are zeros then, and pre-releases are versions like all others.

/// The lowest version of all. A range that names a pre-release has them all.
const LOWEST: &str = ">=0.0.0-0";
const OPERATORS: [&str; 5] = [">=", "<=", ">", "<", "="];
/// How many numbers a version has.
const NUMBERS: usize = 3;

/// The same range in this program's own form.
pub(super) fn range(text: &str) -> Result<String, String> {
    let mut bounds = vec![LOWEST.to_owned()];
    for part in text.split_whitespace() {
        bounds.extend(bound(part)?);
    }
    Ok(bounds.join(" "))
}

fn bound(text: &str) -> Result<Vec<String>, String> {
    if let Some(version) = text.strip_prefix('^') {
        let version = Version::parse(version)?;
        let [major, minor, patch] = version.numbers;
        let below = match (major, minor) {
            (0, 0) => [0, 0, above(patch)?],
            (0, _) => [0, above(minor)?, 0],
            _ => [above(major)?, 0, 0],
        };
        return Ok(vec![format!(">={version}"), format!("<{}", dotted(below))]);
    }
    if let Some(version) = text.strip_prefix('~') {
        let version = Version::parse(version)?;
        let [major, minor, _] = version.numbers;
        let below = dotted([major, above(minor)?, 0]);
        return Ok(vec![format!(">={version}"), format!("<{below}")]);
    }
    let operator = OPERATORS
        .iter()
        .find(|operator| text.starts_with(**operator));
    let (operator, version) = match operator {
        Some(operator) => (*operator, &text[operator.len()..]),
        None => ("=", text),
    };
    Ok(vec![format!("{operator}{}", Version::parse(version)?)])
}

fn above(number: u64) -> Result<u64, String> {
    let above = number.checked_add(1);
    above.ok_or_else(|| format!("found the number {number}, expected a smaller one"))
}

fn dotted(numbers: [u64; NUMBERS]) -> String {
    numbers.map(|number| number.to_string()).join(".")
}

struct Version<'t> {
    numbers: [u64; NUMBERS],
    pre: &'t str,
}

impl<'t> Version<'t> {
    fn parse(text: &'t str) -> Result<Self, String> {
        let invalid = || {
            format!(
                "{text:?} is no version, expected one as in 1.29 or v1.29.3 behind >=, <=, >, <, =, ^ or ~"
            )
        };
        let version = text.strip_prefix('v').unwrap_or(text);
        let version = version
            .split_once('+')
            .map_or(version, |(version, _)| version);
        let (dotted, pre) = version.split_once('-').unwrap_or((version, ""));
        let mut numbers = [0; NUMBERS];
        for (at, part) in dotted.split('.').enumerate() {
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let number = part
                .parse()
                .ok()
                .filter(|_| is_number)
                .ok_or_else(invalid)?;
            match numbers.get_mut(at) {
                Some(slot) => *slot = number,
                None if number == 0 => {}
                None => {
                    return Err(format!(
                        "{text:?} has more than {NUMBERS} numbers, expected {NUMBERS} at most"
                    ));
                }
            }
        }
        Ok(Self { numbers, pre })
    }
}

impl std::fmt::Display for Version<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&dotted(self.numbers))?;
        match self.pre {
            "" => Ok(()),
            pre => write!(f, "-{pre}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag_rules::{Range, TagRules};

    #[test]
    fn ranges_choose_the_versions_that_the_tool_chooses() {
        for (text, tags, expected) in [
            (
                ">=1.0.0 <2.0.0",
                "v1.2.3-alpine3.21 v1.5.0-alpine3.20 v2.0.0-alpine3.21 v0.9.0-alpine3.19",
                "v2.0.0-alpine3.21 v1.5.0-alpine3.20 v1.2.3-alpine3.21",
            ),
            (
                ">=5.0.0",
                "v5-scratch v4-scratch v6-scratch v5.1-scratch",
                "v6-scratch v5.1-scratch",
            ),
            (">=2 <5", "v1 v2 v3 v4 v5 v6", "v4 v3 v2"),
            (
                ">=1.5 <2.0",
                "v1.4 v1.5 v1.6 v1.9 v2.0 v2.1",
                "v1.9 v1.6 v1.5",
            ),
            ("1.2", "1.2 1.2.0 1.2.1 1.2.0-rc1", "1.2.0 1.2"),
            ("<=1.2", "1.2.0 1.2.1 1.2", "1.2.0 1.2"),
            (">1.2", "1.2.0 1.2.1", "1.2.1"),
            (
                "^1.2.3",
                "1.2.2 1.2.3 1.9 2.0.0-rc.1 2.0",
                "2.0.0-rc.1 1.9 1.2.3",
            ),
            ("^0.2.3", "0.2.2 0.2.3 0.3.0", "0.2.3"),
            ("^0.0.3", "0.0.3 0.0.4", "0.0.3"),
            ("~1", "1.0.5 1.1.0 1.0", "1.0.5 1.0"),
            ("~1.2.3", "1.2.3 1.3.0 1.2.9", "1.2.9 1.2.3"),
            (">=0", "latest edge 0.0.0-0 1", "1"),
        ] {
            let range = Range::parse(&range(text).unwrap()).unwrap();
            let rules = TagRules {
                semver: Some(range),
                ..TagRules::default()
            };
            let chosen = rules.choose(
                rules.candidates(tags.split(' ')),
                time::OffsetDateTime::UNIX_EPOCH,
            );
            assert_eq!(chosen.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_told() {
        for (text, told) in [
            (">=x", "\"x\" is no version"),
            (">=", "\"\" is no version"),
            (">= 1.0", "\"\" is no version"),
            ("1.x", "\"1.x\" is no version"),
            (">=1.2.3.4", "more than 3 numbers"),
            ("^18446744073709551615", "expected a smaller one"),
        ] {
            let error = range(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
