//! Versions as tags have them, and ranges of them.
//!
//! Both are read as the tools read them that people come from: a `v` before a version, `v2.1` for `v2.1.0`, zeros before
//! a number (`2023.08.2`); in ranges a blank or a comma for and, `||` for or, `^`, `~`, `x`, and `1.2 - 1.4`. Versions are
//! compared by Semantic Versioning 2.0.0, section 11.

use std::cmp::Ordering;

use semver::{BuildMetadata, Prerelease, Version};

/// The version that a tag is, if it is one.
pub(super) fn parse(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix('v').unwrap_or(tag);
    if text.ends_with(['-', '+']) {
        return None;
    }
    let (numbers, pre, build) = parts(text);
    let mut numbers = numbers.split('.').map(number);
    let mut next = || numbers.next().unwrap_or(Some(0));
    let (major, minor, patch) = (next()?, next()?, next()?);
    if numbers.next().is_some() {
        return None;
    }
    Some(Version {
        major,
        minor,
        patch,
        pre: Prerelease::new(pre).ok()?,
        build: BuildMetadata::new(build).ok()?,
    })
}

/// Numbers, pre-release and build metadata.
fn parts(text: &str) -> (&str, &str, &str) {
    let (text, build) = text.split_once('+').unwrap_or((text, ""));
    let (numbers, pre) = text.split_once('-').unwrap_or((text, ""));
    (numbers, pre, build)
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// A set of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// One of these has to hold,
    any: Vec<Vec<Bound>>,
}

/// What a version is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    relation: Relation,
    version: Version,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Relation {
    Less,
    /// Less, and no pre-release of it either.
    Before,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Not,
    /// Before it, or not before this other one.
    Outside(Version),
}

impl Range {
    /// Reads a range. Fails with what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let any = text.split("||").map(all_of).collect::<Result<_, _>>()?;
        Ok(Self { any })
    }

    /// Whether certainly no version is one of the set.
    pub(super) fn is_empty(&self) -> bool {
        self.any.iter().all(|all| {
            let names_pre = all.iter().any(|bound| !bound.version.pre.is_empty());
            let patch = |version: &Version| Version {
                patch: version.patch.saturating_add(1),
                ..version.clone()
            };
            let versions = all.iter().flat_map(|bound| match &bound.relation {
                Relation::Outside(after) => vec![&bound.version, after],
                _ => vec![&bound.version],
            });
            // If there is one at all, the lowest of them is at a bound, right above one, or the first of all.
            let mut lowest = versions
                .flat_map(|version| [version.clone(), patch(version)])
                .chain([Version::new(0, 0, 0)]);
            !names_pre && !lowest.any(|version| all.iter().all(|bound| bound.holds(&version)))
        })
    }

    /// Whether `version` is one of the set. A pre-release is only where the range names one.
    pub(super) fn has(&self, version: &Version) -> bool {
        self.any.iter().any(|all| {
            let names_pre = all.iter().any(|bound| !bound.version.pre.is_empty());
            (version.pre.is_empty() || names_pre) && all.iter().all(|bound| bound.holds(version))
        })
    }
}

impl Bound {
    fn new(relation: Relation, version: Version) -> Self {
        Self { relation, version }
    }

    fn holds(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        let numbers = |version: &Version| (version.major, version.minor, version.patch);
        let is_before = |other: &Version| numbers(version) < numbers(other);
        match &self.relation {
            Relation::Less => order == Ordering::Less,
            Relation::Before => is_before(&self.version),
            Relation::LessOrEqual => order != Ordering::Greater,
            Relation::Greater => order == Ordering::Greater,
            Relation::GreaterOrEqual => order != Ordering::Less,
            Relation::Not => order != Ordering::Equal,
            Relation::Outside(after) => is_before(&self.version) || !is_before(after),
        }
    }
}

/// The bounds of a part without `||`.
fn all_of(text: &str) -> Result<Vec<Bound>, String> {
    if let Some((low, high)) = text.split_once(" - ") {
        let mut bounds = bounds(">=", low.trim())?;
        bounds.extend(self::bounds("<=", high.trim())?);
        return Ok(bounds);
    }
    let mut all = Vec::new();
    let mut rest = text.trim_start_matches(SEPARATORS);
    if rest.is_empty() {
        return Err("found nothing, expected a version".to_owned());
    }
    while !rest.is_empty() {
        let operator = OPERATORS
            .iter()
            .find(|operator| rest.starts_with(**operator));
        let operator = operator.copied().unwrap_or_default();
        rest = rest[operator.len()..].trim_start();
        let end = rest.find(SEPARATORS).unwrap_or(rest.len());
        let (version, behind) = rest.split_at(end);
        all.extend(bounds(operator, version)?);
        rest = behind.trim_start_matches(SEPARATORS);
    }
    Ok(all)
}

const SEPARATORS: [char; 3] = [' ', ',', '\t'];
/// Longer ones before those that they begin with.
const OPERATORS: [&str; 12] = [
    "!=", ">=", "=>", "<=", "=<", "~>", "==", "=", "~", "^", ">", "<",
];

/// A version of which the last numbers may be missing or `x`.
struct Partial {
    major: Option<u64>,
    minor: Option<u64>,
    patch: Option<u64>,
    pre: Prerelease,
}

impl Partial {
    fn parse(text: &str) -> Result<Self, String> {
        let no_version = || {
            if text.is_empty() {
                "found nothing, expected a version after the operator".to_owned()
            } else {
                format!("{text:?} is no version, expected one as in 1.29 or v1.29.3")
            }
        };
        let (numbers, pre, _) = parts(text.strip_prefix(['v', 'V']).unwrap_or(text));
        let is_any = |text: &str| matches!(text, "x" | "X" | "*");
        let mut read = numbers.split('.').map(|text| {
            if is_any(text) {
                Ok(None)
            } else {
                number(text).map(Some).ok_or_else(no_version)
            }
        });
        let mut next = || read.next().unwrap_or(Ok(None));
        let (major, minor, patch) = (next()?, next()?, next()?);
        if read.next().is_some() {
            return Err(no_version());
        }
        let minor = minor.filter(|_| major.is_some());
        Ok(Self {
            major,
            minor,
            patch: patch.filter(|_| minor.is_some()),
            pre: Prerelease::new(pre).ok().ok_or_else(no_version)?,
        })
    }

    /// The lowest version that it stands for.
    fn first(&self) -> Version {
        let mut version = Version::new(
            self.major.unwrap_or(0),
            self.minor.unwrap_or(0),
            self.patch.unwrap_or(0),
        );
        version.pre.clone_from(&self.pre);
        version
    }

    /// The lowest version above all that it stands for; none where it stands for all.
    fn after(&self) -> Option<Version> {
        let major = self.major?;
        Some(match (self.minor, self.patch) {
            (None, _) => Version::new(major.checked_add(1)?, 0, 0),
            (Some(minor), None) => Version::new(major, minor.checked_add(1)?, 0),
            (Some(minor), Some(patch)) => Version::new(major, minor, patch.checked_add(1)?),
        })
    }

    fn is_whole(&self) -> bool {
        self.patch.is_some()
    }
}

fn bounds(operator: &str, version: &str) -> Result<Vec<Bound>, String> {
    use Relation::{Before, Greater, GreaterOrEqual, Less, LessOrEqual, Not, Outside};
    let partial = Partial::parse(version)?;
    let first = partial.first();
    let below = |version: Option<Version>| version.map(|version| Bound::new(Before, version));
    let from = Bound::new(GreaterOrEqual, first.clone());
    let bounds = match operator {
        "<" => vec![Bound::new(Less, first)],
        ">=" | "=>" => vec![from],
        "<=" | "=<" if partial.is_whole() => vec![Bound::new(LessOrEqual, first)],
        "<=" | "=<" => below(partial.after()).into_iter().collect(),
        ">" if partial.is_whole() => vec![Bound::new(Greater, first)],
        ">" => match partial.after() {
            Some(after) => vec![Bound::new(GreaterOrEqual, after)],
            None => {
                return Err(format!(
                    "no version is above {version:?}, expected a number"
                ));
            }
        },
        "!=" if partial.is_whole() => vec![Bound::new(Not, first)],
        "!=" => match partial.after() {
            Some(after) => vec![Bound::new(Outside(after), first)],
            None => {
                return Err(format!(
                    "{version:?} is every version, expected a number after !="
                ));
            }
        },
        "^" => [Some(from), below(caret(&partial))]
            .into_iter()
            .flatten()
            .collect(),
        "~" | "~>" => {
            let minor = Partial {
                patch: None,
                ..partial
            };
            [Some(from), below(minor.after())]
                .into_iter()
                .flatten()
                .collect()
        }
        _ if partial.is_whole() => vec![from, Bound::new(LessOrEqual, first)],
        _ => [Some(from), below(partial.after())]
            .into_iter()
            .flatten()
            .collect(),
    };
    Ok(bounds)
}

/// The lowest version that `^` leaves out: with another first number that is not 0.
fn caret(partial: &Partial) -> Option<Version> {
    match (partial.major?, partial.minor, partial.patch) {
        (0, Some(0), Some(_)) => partial.after(),
        (0, Some(minor), _) => Some(Version::new(0, minor.checked_add(1)?, 0)),
        (major, ..) => Some(Version::new(major.checked_add(1)?, 0, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(range: &str, tag: &str) -> bool {
        Range::parse(range).unwrap().has(&parse(tag).unwrap())
    }

    #[test]
    fn tags_are_versions_as_people_write_them() {
        for (tag, version) in [
            ("1.2.3", "1.2.3"),
            ("v1.2.3", "1.2.3"),
            ("v2.1", "2.1.0"),
            ("7", "7.0.0"),
            ("2023.08.2", "2023.8.2"),
            ("1.2.3-rc.1", "1.2.3-rc.1"),
            ("v1.30.0-alpha", "1.30.0-alpha"),
            ("1.2.3+build.5", "1.2.3+build.5"),
        ] {
            assert_eq!(parse(tag), Some(version.parse().unwrap()), "{tag}");
        }
        for tag in [
            "latest",
            "1.2.3.4",
            "1..2",
            "",
            "v",
            "1.x",
            "sha-abc",
            "1.2.3-",
            "1.2.3+",
            "3.20alpine",
            "V5",
        ] {
            assert_eq!(parse(tag), None, "{tag}");
        }
    }

    #[test]
    fn ranges_are_those_of_the_tools_that_people_come_from() {
        for (range, inside, outside) in [
            (
                ">=1.29, <2",
                &["1.29.0", "v1.30", "1.99.9"][..],
                &["1.28.9", "2.0.0", "1.30.0-rc.1"][..],
            ),
            (">=1.29 <2", &["1.29.0"], &["2.0.0"]),
            (">= 1.29 , < 2", &["1.29.0"], &["2.0.0"]),
            ("~1.29", &["1.29.0", "1.29.7"], &["1.30.0", "1.28.0"]),
            ("~1", &["1.29.0"], &["2.0.0"]),
            ("~1.2.3", &["1.2.3", "1.2.9"], &["1.3.0", "1.2.2"]),
            ("^1.2.3", &["1.2.3", "1.9.0"], &["2.0.0", "1.2.2"]),
            ("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0"]),
            ("^0.0.3", &["0.0.3"], &["0.0.4"]),
            ("^0.0", &["0.0.9"], &["0.1.0"]),
            ("1.2.3", &["1.2.3", "v1.2.3"], &["1.2.4"]),
            ("=1.2.3", &["1.2.3"], &["1.2.4"]),
            ("1.2", &["1.2.0", "1.2.9"], &["1.3.0"]),
            ("1.2.x", &["1.2.0", "1.2.9"], &["1.3.0"]),
            ("1.x", &["1.2.0"], &["2.0.0"]),
            ("*", &["0.0.1", "99.0.0"], &["1.0.0-rc.1"]),
            ("1.2 - 1.4", &["1.2.0", "1.4.9"], &["1.5.0", "1.1.9"]),
            ("1.2.3 - 1.4.5", &["1.4.5"], &["1.4.6"]),
            ("<1.0 || >=2.0", &["0.9.0", "2.0.0"], &["1.5.0"]),
            (">1.2", &["1.3.0"], &["1.2.9"]),
            ("<=1.2", &["1.2.9"], &["1.3.0"]),
            (">=1.0, !=1.5.0", &["1.4.9"], &["1.5.0"]),
            ("!=1", &["0.9.0", "2.0.0"], &["1.0.0", "1.9.9"]),
            ("!=1.2.x", &["1.1.9", "1.3.0"], &["1.2.0", "1.2.9"]),
            (
                "^1.2.3-0",
                &["1.2.3-rc.1", "1.9.0-rc.1", "1.9.0"],
                &["2.0.0-rc.1", "2.0.0"],
            ),
            ("~1.1.0-0", &["1.1.0-rc.1"], &["1.2.0-rc.1"]),
            ("1.x-0", &["1.2.0-rc.1"], &["2.0.0-rc.1"]),
            ("1.0.0-0 - 2", &["2.5.0-rc.1"], &["3.0.0-rc.1"]),
            ("<2.0.0, >1.0.0-0", &["2.0.0-rc.1"], &["2.0.0"]),
            (
                ">=1.30.0-0",
                &["1.30.0-rc.1", "1.31.0-alpha.2", "1.30.0"],
                &["1.29.9"],
            ),
            ("v1.29", &["1.29.4"], &["1.30.0"]),
            ("2023.08", &["2023.8.2"], &["2023.9.0"]),
        ] {
            for tag in inside {
                assert!(is_in(range, tag), "{tag} is in {range}");
            }
            for tag in outside {
                assert!(!is_in(range, tag), "{tag} is not in {range}");
            }
        }
    }

    #[test]
    fn what_is_no_range_is_told() {
        for (range, told) in [
            (">=1.29, <2y", "\"2y\" is no version"),
            ("", "found nothing"),
            (">=", "found nothing, expected a version after the operator"),
            ("1.2.3.4", "is no version"),
            ("!=*", "is every version"),
            (">*", "no version is above"),
            ("1.2 || ", "found nothing"),
        ] {
            let error = Range::parse(range).unwrap_err();
            assert!(error.contains(told), "{range}: {error}");
        }
    }
}
