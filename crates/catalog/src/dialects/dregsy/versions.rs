//! Ranges of versions as dregsy reads them: comparisons of whole versions, with blanks for and and `||` for or, and `x` in
//! place of the last numbers. A pre-release is a version as any other, which is in the range that it lies in.

use semver::Version;

/// The lowest version of all, which names a pre-release, so that those in the range are in it.
const ANY_PRERELEASE: &str = ">=0.0.0-0";
const OPERATORS: [&str; 9] = ["", "=", "==", "!", "!=", ">", ">=", "<", "<="];
const EXPECTED: &str = "expected comparisons of whole versions, as in >=1.2.0 <2.0.0 || 3.x";

/// The same range in this program's own form. Fails with what is wrong with it.
pub(super) fn range(text: &str) -> Result<String, String> {
    let parts: Vec<String> = text.split("||").map(all_of).collect::<Result<_, _>>()?;
    Ok(parts.join(" || "))
}

fn all_of(text: &str) -> Result<String, String> {
    let mut bounds = Vec::new();
    let mut names_prerelease = false;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(format!("found nothing, {EXPECTED}"));
    }
    while !rest.is_empty() {
        let begin = rest.find(|letter| !matches!(letter, '<' | '>' | '=' | '!'));
        let (operator, behind) = rest.split_at(begin.unwrap_or(rest.len()));
        let behind = behind.trim_start();
        let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
        let (version, behind) = behind.split_at(end);
        if !OPERATORS.contains(&operator) {
            return Err(format!("found {operator:?}, {EXPECTED}"));
        }
        names_prerelease |= version.contains('-');
        bounds.push(bound(operator, version)?);
        rest = behind.trim_start();
    }
    if !names_prerelease {
        bounds.push(ANY_PRERELEASE.to_owned());
    }
    Ok(bounds.join(" "))
}

fn bound(operator: &str, version: &str) -> Result<String, String> {
    if let Some((first, next)) = wildcard(version) {
        return match operator {
            "" | "=" | "==" => Ok(format!(">={first} <{next}")),
            ">" => Ok(format!(">={next}")),
            ">=" => Ok(format!(">={first}")),
            "<" => Ok(format!("<{first}")),
            "<=" => Ok(format!("<{next}")),
            _ => Err(format!(
                "found {operator}{version}, which no version is; expected a whole version behind {operator}"
            )),
        };
    }
    if Version::parse(version).is_err() {
        return Err(format!("found {version:?}, {EXPECTED}"));
    }
    let operator = match operator {
        "" | "==" => "=",
        "!" => "!=",
        operator => operator,
    };
    Ok(format!("{operator}{version}"))
}

/// The first version that `1.x` or `1.2.x` stands for, and the first one behind them.
fn wildcard(version: &str) -> Option<(String, String)> {
    let mut parts = version.split('.');
    let major: u64 = parts.next()?.parse().ok()?;
    let minor = parts.next()?;
    let patch = parts.next();
    if parts.next().is_some() {
        return None;
    }
    let version = |major: u64, minor: u64| format!("{major}.{minor}.0");
    match (minor, patch) {
        ("x", None | Some("x")) => Some((version(major, 0), version(major.checked_add(1)?, 0))),
        (minor, Some("x")) => {
            let minor: u64 = minor.parse().ok()?;
            Some((version(major, minor), version(major, minor.checked_add(1)?)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag_rules::{Range, TagRules};

    #[test]
    fn a_range_is_one_of_this_program_that_takes_prereleases_as_they_come() {
        for (text, expected) in [
            (" >=1.0.0 <1.99.0", ">=1.0.0 <1.99.0 >=0.0.0-0"),
            (">= 1.0.0  < 2.0.0", ">=1.0.0 <2.0.0 >=0.0.0-0"),
            ("1.2.3", "=1.2.3 >=0.0.0-0"),
            ("!1.2.3 >1.0.0-rc.1", "!=1.2.3 >1.0.0-rc.1"),
            (
                "1.x || 2.3.x",
                ">=1.0.0 <2.0.0 >=0.0.0-0 || >=2.3.0 <2.4.0 >=0.0.0-0",
            ),
            (">1.x.x", ">=2.0.0 >=0.0.0-0"),
            ("<=1.2.x", "<1.3.0 >=0.0.0-0"),
        ] {
            let range = range(text).unwrap();
            assert_eq!(range, expected);
            Range::parse(&range).unwrap();
        }
    }

    #[test]
    fn prereleases_are_compared_as_versions_are() {
        let semver = Range::parse(&range(">=1.0.0 <1.99.0").unwrap()).unwrap();
        let rules = TagRules {
            semver: Some(semver),
            ..TagRules::default()
        };
        let tags = [
            "1.0.0-rc.1",
            "1.0.0",
            "v1.5.0-alpine",
            "1.99.0-rc.1",
            "1.99.0",
            "latest",
        ];
        let chosen = tags.map(|tag| rules.may_choose(tag));
        assert_eq!(chosen, [false, true, true, true, false, false]);
    }

    #[test]
    fn what_is_no_range_is_told() {
        for (text, told) in [
            (
                "^1.2.0",
                "found \"^1.2.0\", expected comparisons of whole versions",
            ),
            (">=1.2", "found \"1.2\""),
            (">=v1.2.0", "found \"v1.2.0\""),
            (">=1.0.0,<2.0.0", "found \"1.0.0,<2.0.0\""),
            ("", "found nothing"),
            ("1.0.0 || ", "found nothing"),
            ("=>1.0.0", "found \"=>\""),
            ("!1.x", "found !1.x, which no version is"),
            (">=", "found \"\""),
        ] {
            let error = range(text).unwrap_err();
            assert!(error.starts_with(told), "{text}: {error}");
        }
    }
}
