//! The rules of the key `tags`.

use time::Duration;

use crate::document::{Keys, Node};
use crate::problem::{Problem, Problems};
use crate::tag_rules::{Pattern, Range, Sort, TagRules};

use super::values::{Count, Span};

const EXPECTED: &str = "a list of tags, the word all, or a mapping of rules";
pub(super) const KEYS: [&str; 8] = [
    "include", "exclude", "extract", "semver", "min_age", "sort", "latest", "require",
];
const EXPECTED_MIN_AGE: &str = "a mapping with a duration as in {created: 7d}";
/// As many as anybody has of one repository.
const MAX_TAGS: u64 = 10_000_000;

pub(super) fn read(node: &Node) -> Result<TagRules, Problems> {
    if node.text() == Some("all") {
        return Ok(TagRules::default());
    }
    let keys = Keys::of(node, EXPECTED, &KEYS)?;
    let count = |key| keys.get(key).map(Count::<MAX_TAGS>::as_usize);
    let rules = TagRules {
        include: patterns(&keys, "include"),
        exclude: patterns(&keys, "exclude"),
        extract: text(&keys, "extract", Pattern::parse),
        semver: text(&keys, "semver", Range::parse),
        min_age: keys.nested("min_age", min_age),
        sort: text(&keys, "sort", sort),
        latest: count("latest"),
        require: count("require"),
    };
    let has_order = keys.node("sort").is_some() || keys.node("semver").is_some();
    if rules.latest.is_some() && !has_order {
        let text = "found no order beside it, expected semver, or sort: semver, created, alphabetical or numerical";
        keys.report(Problem::new(text).key("latest"));
    }
    keys.finish(Some(rules))
}

/// One pattern, or a list of them.
pub(super) fn patterns(keys: &Keys<'_>, key: &str) -> Vec<Pattern> {
    let Some(node) = keys.node(key) else {
        return Vec::new();
    };
    if node.items().is_err() {
        return text(keys, key, Pattern::parse).into_iter().collect();
    }
    let texts: Vec<String> = keys.get(key).unwrap_or_default();
    let parse = |(index, text): (usize, &String)| {
        let told = |reason: String| Problem::new(unusable(text, &reason)).index(index).key(key);
        keys.ok(Pattern::parse(text).map_err(told))
    };
    texts.iter().enumerate().filter_map(parse).collect()
}

fn text<T>(keys: &Keys<'_>, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    let text: String = keys.get(key)?;
    let told = |reason: String| Problem::new(unusable(&text, &reason)).key(key);
    keys.ok(parse(&text).map_err(told))
}

fn unusable(text: &str, reason: &str) -> String {
    format!("{text:?} cannot be used: {reason}")
}

fn sort(text: &str) -> Result<Sort, String> {
    match text {
        "semver" => Ok(Sort::Semver),
        "created" => Ok(Sort::Created),
        "alphabetical" => Ok(Sort::Alphabetical),
        "numerical" => Ok(Sort::Numerical),
        _ => Err("expected semver, created, alphabetical or numerical".to_owned()),
    }
}

/// How old an image has to be, and since when that counts.
fn min_age(node: &Node) -> Result<Duration, Problems> {
    let keys = Keys::of(node, EXPECTED_MIN_AGE, &["created"])?;
    if keys.node("created").is_none() {
        keys.report(Problem::new("missing, expected a duration as in 7d").key("created"));
    }
    let created: Option<Span> = keys.get("created");
    // A year at most, so that it fits.
    let created = created.and_then(|Span(age)| Duration::try_from(age).ok());
    keys.finish(created)
}
