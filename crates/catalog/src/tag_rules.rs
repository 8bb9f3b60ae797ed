//! Which tags of a repository are wanted.

mod version;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

use regex::Regex;
pub(crate) use version::Range;

/// Rules by which tags are chosen. They are stages in a fixed order, each for what the one before has left: `include`,
/// `exclude`, `extract`, `semver`, `sort`, `latest`. Without any, all tags are chosen.
///
/// Tags of artifacts that belong to an image (`sha256-HEX`, with or without `.sig`, `.att` or `.sbom`) are none of these:
/// they come with their image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TagRules {
    /// One of these has to match the whole tag, if there are any.
    pub(crate) include: Vec<Pattern>,
    /// None of these may match the whole tag.
    pub(crate) exclude: Vec<Pattern>,
    /// What the stages behind it see of a tag: the first group, or the whole match. A tag that it does not match is left out.
    pub(crate) extract: Option<Pattern>,
    /// The versions that are wanted. What is no version is left out.
    pub(crate) semver: Option<Range>,
    /// The order, the highest first; with `semver` that of versions, if none is said.
    pub(crate) sort: Option<Sort>,
    /// How many are left at most.
    pub(crate) latest: Option<usize>,
    /// How many there have to be.
    pub(crate) require: Option<usize>,
}

/// By what tags are put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// As versions. What is none is left out.
    Semver,
    /// By the values of their characters.
    Alphabetical,
    /// As whole numbers. What is none is left out.
    Numerical,
}

/// A regular expression for a whole tag.
#[derive(Clone)]
pub(crate) struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Reads one. Fails with what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // The pattern by itself first: its error is told as the author wrote it.
        let alone = Regex::new(text);
        let regex = alone.and_then(|_| Regex::new(&format!("^(?:{text})$")));
        let regex = regex.map_err(|error| reason(&error))?;
        let text = text.to_owned();
        Ok(Self { text, regex })
    }

    fn matches(&self, tag: &str) -> bool {
        self.regex.is_match(tag)
    }

    fn extracted<'t>(&self, tag: &'t str) -> Option<&'t str> {
        let captures = self.regex.captures(tag)?;
        let found = captures.get(1).or_else(|| captures.get(0))?;
        Some(found.as_str())
    }
}

/// As it was written: this is part of what a catalog is known by.
impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// The last line of what the library says, which draws the place in several.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// A tag, and what the stages behind `extract` see of it.
struct Candidate<'t> {
    tag: &'t str,
    seen: &'t str,
}

impl TagRules {
    /// The tags that are wanted, in the order of the rules, the highest first; without an order by their names. The order of
    /// `tags` does not matter, and one that is there twice counts once.
    pub(crate) fn choose<'t>(&self, tags: impl IntoIterator<Item = &'t str>) -> Vec<&'t str> {
        let tags: HashSet<&str> = tags
            .into_iter()
            .filter(|tag| !is_of_artifact(tag))
            .collect();
        let chosen = tags.into_iter().filter(|tag| self.is_named(tag));
        let chosen = chosen.filter_map(|tag| self.candidate(tag));
        let mut chosen = self.in_order(chosen.collect());
        chosen.truncate(self.latest.unwrap_or(usize::MAX));
        chosen
    }

    /// What the stages behind `extract` see of a tag.
    pub(crate) fn extracted<'t>(&self, tag: &'t str) -> Option<&'t str> {
        self.candidate(tag).map(|candidate| candidate.seen)
    }

    /// Whether it may be among those that are chosen, whichever other tags there are.
    pub(crate) fn may_choose(&self, tag: &str) -> bool {
        let alone = Self {
            latest: None,
            ..self.clone()
        };
        !alone.choose([tag]).is_empty()
    }

    fn is_named(&self, tag: &str) -> bool {
        let is_any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(tag));
        (self.include.is_empty() || is_any(&self.include)) && !is_any(&self.exclude)
    }

    fn candidate<'t>(&self, tag: &'t str) -> Option<Candidate<'t>> {
        let seen = match &self.extract {
            Some(extract) => extract.extracted(tag)?,
            None => tag,
        };
        Some(Candidate { tag, seen })
    }

    fn in_order<'t>(&self, candidates: Vec<Candidate<'t>>) -> Vec<&'t str> {
        let usual = self.semver.as_ref().map(|_| Sort::Semver);
        let candidates = candidates
            .into_iter()
            .filter(|candidate| self.is_in_range(candidate));
        match self.sort.or(usual) {
            Some(Sort::Semver) => highest_first(candidates, version::parse),
            Some(Sort::Numerical) => highest_first(candidates, |seen| seen.parse::<u128>().ok()),
            Some(Sort::Alphabetical) => highest_first(candidates, |seen| Some(seen.to_owned())),
            None => {
                let mut tags: Vec<&str> = candidates.map(|candidate| candidate.tag).collect();
                tags.sort_unstable();
                tags
            }
        }
    }

    fn is_in_range(&self, candidate: &Candidate<'_>) -> bool {
        self.semver.as_ref().is_none_or(|range| {
            version::parse(candidate.seen).is_some_and(|version| range.has(&version))
        })
    }
}

fn highest_first<'t, K: Ord>(
    candidates: impl Iterator<Item = Candidate<'t>>,
    key: impl Fn(&str) -> Option<K>,
) -> Vec<&'t str> {
    let keyed = candidates.filter_map(|candidate| Some((key(candidate.seen)?, candidate.tag)));
    let mut keyed: Vec<(K, &str)> = keyed.collect();
    // What is equal by the rule, as 1.2 and v1.2.0, has the order of the names.
    keyed.sort_unstable_by(|left, right| Reverse(left).cmp(&Reverse(right)));
    keyed.into_iter().map(|(_, tag)| tag).collect()
}

/// Whether a tag is that of a signature, an attestation or an index of referrers (distribution spec 1.1, "Referrers Tag
/// Schema", and cosign's tags).
fn is_of_artifact(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix("sha256-") else {
        return false;
    };
    let hex = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    let suffix = &rest[hex..];
    hex == 64 && (suffix.is_empty() || suffix.starts_with('.'))
}

#[cfg(test)]
mod tests;
