//! The list `tags` of a mapping: names of tags, and filters, of which one has to hold; then those that have to hold for all
//! that filters found, and how many are kept.

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::Reference;

use super::super::patterns::{anywhere, has_artifacts};
use super::super::translation::{Kind, Mapping, Translator};
use super::versions;
use crate::document::Node;
use crate::problem::{Place, Problem};
use crate::tag_rules::Pattern;

const EXPECTED: &str = "expected a tag, TAG@DIGEST, a digest, semver: RANGE, regex: REGEX, keep: REGEX or keep: latest N";
/// Versions that are not whole and have more behind them, which are none there.
const NOT_WHOLE: &str = r"v?\d+(\.\d+)?-.*";
/// What is a version there.
const VERSION: &str = r"v?\d+(\.\d+){0,2}|v?\d+\.\d+\.\d+-.*";

/// A regular expression, as a pattern for the whole tag.
struct Filter {
    pattern: String,
    /// Whether it must not match.
    is_inverted: bool,
    place: Place,
}

/// What `tags` says.
#[derive(Default)]
pub(super) struct Tags {
    /// Tags and digests.
    pub(super) named: Vec<(String, Place)>,
    /// Digests with the tags that they get.
    pub(super) pinned: Vec<(String, String, Place)>,
    ranges: Vec<(String, Place)>,
    filters: Vec<Filter>,
    keep: Vec<Filter>,
    latest: Option<(usize, Place)>,
}

/// Rules of the key `tags` of an image.
#[derive(Clone, Default)]
pub(super) struct Rules {
    include: Vec<String>,
    exclude: Vec<String>,
    extract: Option<String>,
    semver: Option<String>,
    /// How many of the highest versions.
    latest: Option<usize>,
}

impl Tags {
    /// What the mapping says. What is wrong with it is one of `to`.
    pub(super) fn read(mapping: &Mapping<'_>, to: &mut Translator<'_>) -> Self {
        let mut tags = Self::default();
        let key = mapping.key("tags");
        let Some(node) = mapping.node("tags") else {
            return tags;
        };
        let expected = "a list of tags and filters, as in ['1.36.0', 'semver: >=2.0.0']";
        let Ok(items) = node.items() else {
            to.report(node.mismatch(expected).key(&key));
            return tags;
        };
        for (index, item) in items.iter().enumerate() {
            let text = item.text().filter(|_| !item.is_null());
            let text = text.ok_or_else(|| item.mismatch("a tag or a filter"));
            let added = text.and_then(|text| {
                let added = tags.add(text.trim(), item.place);
                added.map_err(Problem::new)
            });
            let told = |problem: Problem| problem.index(index).key(&key);
            to.ok(item.place, added.map_err(told));
        }
        tags
    }

    fn add(&mut self, text: &str, place: Place) -> Result<(), String> {
        if let Some(range) = text.strip_prefix("semver:") {
            let told = |why| format!("{text:?} cannot be used: {why}");
            self.ranges
                .push((versions::range(range).map_err(told)?, place));
        } else if let Some(regex) = text.strip_prefix("regex:") {
            self.filters.push(Filter::read(regex, place)?);
        } else if let Some(keep) = text.strip_prefix("keep:") {
            match latest(keep)? {
                Some(count) => self.latest = Some((count, place)),
                None => self.keep.push(Filter::read(keep, place)?),
            }
        } else {
            self.add_named(text.strip_prefix(':').unwrap_or(text), place)?;
        }
        Ok(())
    }

    fn add_named(&mut self, text: &str, place: Place) -> Result<(), String> {
        let is_digest = |text: &str| text.parse::<Digest>().map_err(|wrong| wrong.to_string());
        let is_tag = |text: &str| match text.parse() {
            Ok(Reference::Tag(_)) => Ok(()),
            _ => Err(format!("found {text:?}, {EXPECTED}")),
        };
        match text.split_once('@') {
            Some((tag, digest)) => {
                is_tag(tag)?;
                is_digest(digest)?;
                self.pinned.push((tag.to_owned(), digest.to_owned(), place));
                return Ok(());
            }
            None if text.starts_with("sha256:") => drop(is_digest(text)?),
            None => is_tag(text)?,
        }
        self.named.push((text.to_owned(), place));
        Ok(())
    }

    /// The rules for what is not named; several where the filters choose each for itself. `key` is that of the tags, and
    /// `place` that of the repository.
    pub(super) fn rules(&self, key: &str, place: Place, to: &mut Translator<'_>) -> Vec<Rules> {
        if let Some((_, first)) = self.ranges.first() {
            let why = "pre-releases are in the range that they lie in, as dregsy has it; without >=0.0.0-0 they would be left out";
            to.note(Kind::Mapped, *first, format!("{key} semver"), why);
        }
        let mut all = self.filtered();
        for rules in &mut all {
            self.keep_in(rules, key, to);
            if rules.semver.is_none() && has_artifacts(&rules.include, &rules.exclude) {
                to.note_artifacts(place, key);
            }
        }
        if let Some((count, place)) = self.latest.filter(|(count, _)| *count > 0) {
            self.note_count(count, place, all.len(), key, to);
            all = all
                .into_iter()
                .flat_map(|rules| rules.limited(count))
                .collect();
        }
        all
    }

    /// What each filter chooses. Without any, and without named tags, all are chosen.
    fn filtered(&self) -> Vec<Rules> {
        let mut all = Vec::new();
        if !self.ranges.is_empty() {
            let ranges: Vec<&str> = self.ranges.iter().map(|(range, _)| &**range).collect();
            all.push(Rules {
                semver: Some(ranges.join(" || ")),
                exclude: vec![NOT_WHOLE.to_owned()],
                ..Rules::default()
            });
        }
        let (inverted, plain): (Vec<&Filter>, Vec<&Filter>) =
            self.filters.iter().partition(|filter| filter.is_inverted);
        if !plain.is_empty() {
            all.push(Rules {
                include: plain.iter().map(|filter| filter.pattern.clone()).collect(),
                ..Rules::default()
            });
        }
        all.extend(inverted.into_iter().map(|filter| Rules {
            exclude: vec![filter.pattern.clone()],
            ..Rules::default()
        }));
        if all.is_empty() && self.named.is_empty() && self.pinned.is_empty() {
            all.push(Rules::default());
        }
        all
    }

    /// All of `keep` have to hold.
    fn keep_in(&self, rules: &mut Rules, key: &str, to: &mut Translator<'_>) {
        for keep in &self.keep {
            if keep.is_inverted {
                rules.exclude.push(keep.pattern.clone());
            } else if rules.include.is_empty() {
                rules.include.push(keep.pattern.clone());
            } else if rules.extract.is_none() {
                // What it matches is all of the tag.
                rules.extract = Some(format!("({})", keep.pattern));
            } else {
                let told = "found more regular expressions that all have to match than image-sync can say, expected two of them, or one of all";
                to.report(Problem::new(told).key(key).at(keep.place));
            }
        }
    }

    fn note_count(
        &self,
        count: usize,
        place: Place,
        filters: usize,
        key: &str,
        to: &mut Translator<'_>,
    ) {
        let mut note = |why: String| {
            to.note(
                Kind::Missing,
                place,
                format!("{key} keep: latest {count}"),
                why,
            );
        };
        if filters > 1 {
            note(format!(
                "so many of each filter are kept, not {count} of all of them together"
            ));
        }
        if self.named.iter().any(|(tag, _)| is_version(tag)) || !self.pinned.is_empty() {
            note("tags that are named are copied in any case, and do not count".to_owned());
        }
        if self.ranges.is_empty() && filters > 0 {
            note(format!(
                "so many versions are kept and what is none beside them, but where there are no versions at all, all tags, not the last {count} by their names"
            ));
        }
    }
}

impl Filter {
    /// Reads one, with a `!` before it where it must not match. It matches whole tags, but for alternatives: there, it is
    /// anchored as a text is to which `^` and `$` are added.
    fn read(text: &str, place: Place) -> Result<Self, String> {
        let text = text.trim();
        let (text, is_inverted) = match text.strip_prefix('!') {
            Some(text) => (text, true),
            None => (text, false),
        };
        Ok(Self {
            pattern: whole(text)?,
            is_inverted,
            place,
        })
    }
}

/// The pattern for a regex that is to match a whole line.
pub(super) fn whole(regex: &str) -> Result<String, String> {
    let unusable = |why: String| format!("{regex:?} cannot be used: {why}");
    // By itself first: its error is told as the author wrote it.
    Pattern::parse(regex).map_err(unusable)?;
    let begin = if regex.starts_with('^') { "" } else { "^" };
    let end = if regex.ends_with('$') { "" } else { "$" };
    let pattern = anywhere(&format!("{begin}{regex}{end}"));
    Pattern::parse(&pattern).map_err(unusable)?;
    Ok(pattern)
}

impl Rules {
    /// The highest `count` versions, and what is none.
    fn limited(self, count: usize) -> Vec<Self> {
        if self.semver.is_some() {
            return vec![Self {
                latest: Some(count),
                ..self
            }];
        }
        let (mut versions, mut others) = (self.clone(), self);
        versions.exclude.push(NOT_WHOLE.to_owned());
        versions.latest = Some(count);
        others.exclude.push(VERSION.to_owned());
        vec![versions, others]
    }

    /// As the key `tags` of an image has them.
    pub(super) fn node(&self, place: Place) -> Node {
        let text = |text: &str| Node::of_text(text).at(place);
        let list = |texts: &[String]| match texts {
            [one] => text(one),
            several => Node::of_items(several.iter().map(|one| text(one)).collect()).at(place),
        };
        let mut pairs = Vec::new();
        if !self.include.is_empty() {
            pairs.push(("include", list(&self.include)));
        }
        if !self.exclude.is_empty() {
            pairs.push(("exclude", list(&self.exclude)));
        }
        pairs.extend(self.extract.iter().map(|regex| ("extract", text(regex))));
        pairs.extend(self.semver.iter().map(|range| ("semver", text(range))));
        if let Some(latest) = self.latest {
            if self.semver.is_none() {
                pairs.push(("sort", text("semver")));
            }
            pairs.push(("latest", text(&latest.to_string())));
        }
        if pairs.is_empty() {
            return text("all");
        }
        Node::of_pairs(pairs).at(place)
    }
}

/// The number of `latest N`, which stands behind `keep:`; none for a regular expression.
fn latest(text: &str) -> Result<Option<usize>, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let ["latest", count] = words[..] else {
        return Ok(None);
    };
    match count.parse() {
        Ok(count) if text.starts_with(char::is_whitespace) => Ok(Some(count)),
        _ => Err(format!(
            "found \"keep:{text}\", expected keep: latest N with a number, as in keep: latest 5"
        )),
    }
}

fn is_version(tag: &str) -> bool {
    Pattern::parse(VERSION).is_ok_and(|version| version.matches(tag))
}
