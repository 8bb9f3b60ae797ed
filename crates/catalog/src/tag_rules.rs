//! Which tags of a repository are wanted.

mod explain;
mod version;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

pub use explain::{Explained, Fate, Out, Stage};
use image_sync_shared::image::referrers::is_tag_of_digest;
use regex::Regex;
use time::{Duration, OffsetDateTime};
pub(crate) use version::Range;

/// Rules by which tags are chosen. They are stages in a fixed order, each for what the one before has left: `include`,
/// `exclude`, `extract`, `semver`, `min_age`, `sort`, `latest`. Without any, all tags are chosen.
///
/// Tags of artifacts that belong to an image (`sha256-HEX`, with or without `.sig`, `.att` or `.sbom`) are none of these:
/// they come with their image.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct TagRules {
    /// One of these has to match the whole tag, if there are any.
    pub(crate) include: Vec<Pattern>,
    /// None of these may match the whole tag.
    pub(crate) exclude: Vec<Pattern>,
    /// What the stages behind it see of a tag: the first group, or the whole match. A tag that it does not match is left out.
    pub(crate) extract: Option<Pattern>,
    /// The versions that are wanted. What is no version is left out.
    pub(crate) semver: Option<Range>,
    /// How long ago an image has to be created. One without a believable creation time is younger than that.
    pub(crate) min_age: Option<Duration>,
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
    /// By when their images were created, the youngest first. Those without a believable creation time come last.
    Created,
    /// By the values of their characters.
    Alphabetical,
    /// As whole numbers. What is none is left out.
    Numerical,
}

/// A regular expression for a whole tag or name.
#[derive(Clone)]
pub(crate) struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Reads one. Fails with what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let whole = Regex::new(&format!("^(?:{text})$"));
        // The pattern by itself too, where it might close the group, and for its error, which is told as the author wrote it.
        let regex = if whole.is_err() || text.contains(')') {
            Regex::new(text).and(whole)
        } else {
            whole
        };
        let regex = regex.map_err(|error| reason(&error))?;
        let text = text.to_owned();
        Ok(Self { text, regex })
    }

    pub(crate) fn matches(&self, tag: &str) -> bool {
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

/// Whether one of `include` matches `name`, if there are any, and none of `exclude`.
pub(crate) fn is_included(include: &[Pattern], exclude: &[Pattern], name: &str) -> bool {
    let is_any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
    (include.is_empty() || is_any(include)) && !is_any(exclude)
}

/// The last line of what the library says, which draws the place in several.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// A tag, and what the stages behind `extract` see of it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<'t> {
    pub(crate) tag: &'t str,
    seen: &'t str,
    /// When its image was created, where that matters, is known and can be believed.
    created: Option<OffsetDateTime>,
}

impl Candidate<'_> {
    /// When its image was created, where that is known.
    pub(crate) fn created(&self) -> Option<OffsetDateTime> {
        self.created
    }

    /// The same of which it is known when its image was created.
    pub(crate) fn created_at(self, created: Option<OffsetDateTime>) -> Self {
        Self { created, ..self }
    }
}

impl TagRules {
    /// The tags that are wanted of those that [`candidates`](Self::candidates) left, in the order of the rules, the highest first;
    /// without an order by their names.
    pub(crate) fn choose<'t>(
        &self,
        candidates: Vec<Candidate<'t>>,
        now: OffsetDateTime,
    ) -> Vec<&'t str> {
        let mut chosen = self.in_order(candidates, now);
        chosen.truncate(self.latest.unwrap_or(usize::MAX));
        chosen
    }

    /// What the stages behind `extract` see of a tag.
    pub(crate) fn extracted<'t>(&self, tag: &'t str) -> Option<&'t str> {
        self.candidate(tag).map(|candidate| candidate.seen)
    }

    /// The tags that the stages leave which need nothing but their names. The order of `tags` does not matter, and one that is
    /// there twice counts once.
    pub(crate) fn candidates<'t>(
        &self,
        tags: impl IntoIterator<Item = &'t str>,
    ) -> Vec<Candidate<'t>> {
        let tags: HashSet<&str> = tags
            .into_iter()
            .filter(|tag| !is_tag_of_digest(tag))
            .collect();
        let named = tags.into_iter().filter(|tag| self.is_named(tag));
        let seen = named.filter_map(|tag| self.candidate(tag));
        seen.filter(|candidate| self.is_in_range(candidate))
            .collect()
    }

    /// Whether the stages behind need to know when images were created.
    pub(crate) fn need_creation_times(&self) -> bool {
        self.min_age.is_some() || self.sort == Some(Sort::Created)
    }

    /// Whether it may be among those that are chosen, whichever other tags there are and however old they are.
    pub(crate) fn may_choose(&self, tag: &str) -> bool {
        let alone = Self {
            min_age: None,
            latest: None,
            ..self.clone()
        };
        let candidates = alone.candidates([tag]);
        !alone
            .choose(candidates, OffsetDateTime::UNIX_EPOCH)
            .is_empty()
    }

    /// Why they choose nothing whatever tags there are, as far as their texts tell.
    pub(crate) fn choose_nothing(&self) -> Option<&'static str> {
        let is_left_out = |pattern: &Pattern| self.exclude.contains(pattern);
        let is_any = |pattern: &Pattern| matches!(pattern.text.as_str(), ".*" | ".+");
        let includes_some = !self.include.is_empty();
        if self.exclude.iter().any(is_any) || includes_some && self.include.iter().all(is_left_out)
        {
            return Some("exclude leaves out all that include lets in");
        }
        let is_empty = self.semver.as_ref().is_some_and(Range::is_empty);
        is_empty.then_some("no version is in the range of semver")
    }

    fn is_named(&self, tag: &str) -> bool {
        is_included(&self.include, &self.exclude, tag)
    }

    fn candidate<'t>(&self, tag: &'t str) -> Option<Candidate<'t>> {
        let seen = match &self.extract {
            Some(extract) => extract.extracted(tag)?,
            None => tag,
        };
        let created = None;
        Some(Candidate { tag, seen, created })
    }

    fn in_order<'t>(&self, candidates: Vec<Candidate<'t>>, now: OffsetDateTime) -> Vec<&'t str> {
        let usual = self.semver.as_ref().map(|_| Sort::Semver);
        let candidates = candidates
            .into_iter()
            .filter(|candidate| self.is_old_enough(candidate, now));
        match self.sort.or(usual) {
            Some(Sort::Semver) => highest_first(candidates, |tag| version::parse(tag.seen)),
            Some(Sort::Numerical) => highest_first(candidates, |tag| tag.seen.parse::<u128>().ok()),
            Some(Sort::Alphabetical) => highest_first(candidates, |tag| Some(tag.seen.to_owned())),
            Some(Sort::Created) => highest_first(candidates, |tag| Some(tag.created)),
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

    fn is_old_enough(&self, candidate: &Candidate<'_>, now: OffsetDateTime) -> bool {
        self.min_age.is_none_or(|min_age| {
            let created = candidate.created;
            created.is_some_and(|created| now - created >= min_age)
        })
    }
}

/// What was said, each key as it was when there were no others: this is part of what a catalog is known by.
impl fmt::Debug for TagRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rules = f.debug_struct("TagRules");
        rules.field("include", &self.include);
        rules.field("exclude", &self.exclude);
        rules.field("extract", &self.extract);
        rules.field("semver", &self.semver);
        if let Some(min_age) = &self.min_age {
            rules.field("min_age", min_age);
        }
        rules.field("sort", &self.sort);
        rules.field("latest", &self.latest);
        rules.field("require", &self.require).finish()
    }
}

fn highest_first<'t, K: Ord>(
    candidates: impl Iterator<Item = Candidate<'t>>,
    key: impl Fn(&Candidate<'t>) -> Option<K>,
) -> Vec<&'t str> {
    let keyed = candidates.filter_map(|candidate| Some((key(&candidate)?, candidate.tag)));
    let mut keyed: Vec<(K, &str)> = keyed.collect();
    // What is equal by the rule, as 1.2 and v1.2.0, has the order of the names.
    keyed.sort_unstable_by(|left, right| Reverse(left).cmp(&Reverse(right)));
    keyed.into_iter().map(|(_, tag)| tag).collect()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
