//! One image of the list `images`.

pub(super) mod policy;
pub(super) mod referrers;

use crate::document::{Keys, Node};
use crate::entry::{Entry, Selector};
use crate::problem::{Origin, Problem, Problems};

use super::tag_rules;

const EXPECTED: &str = "a mapping with source and tag";
pub(super) const KEYS: [&str; 12] = [
    "source",
    "tag",
    "tags",
    "cache_as",
    "tag_as",
    "targets",
    "platform",
    "source_tls_verify",
    "cache_insecure",
    "overwrite",
    "platform_missing",
    "referrers",
];

/// The entries that one item of the list stands for: several, where it lists its tags.
pub(super) fn read(node: &Node, origin: Origin) -> Result<Vec<Entry>, Problems> {
    let keys = Keys::of(node, EXPECTED, &KEYS)?;
    if keys.node("source").is_none() {
        keys.report(Problem::new("source is missing, expected source: HOST/NAME as in docker.io/library/nginx, or source: oci:FOLDER"));
    }
    let source: Option<Box<str>> = keys.get("source");
    let entries = source.map(|source| entries(&keys, &source, origin));
    keys.finish(entries)
}

/// The same of this source, as the other keys say.
pub(super) fn entries(keys: &Keys<'_>, source: &str, origin: Origin) -> Vec<Entry> {
    let selectors = selectors(keys);
    let entry = entry(keys, source, origin);
    let entries = selectors.into_iter().map(|selector| Entry {
        selector,
        ..entry.clone()
    });
    entries.collect()
}

/// The same but for which images of the source it is.
pub(super) fn entry(keys: &Keys<'_>, source: &str, origin: Origin) -> Entry {
    Entry {
        origin,
        source: source.into(),
        namespace: None,
        list: None,
        selector: Selector::One(None),
        cache_as: keys.get("cache_as"),
        tag_as: keys.get("tag_as"),
        targets: targets(keys),
        platforms: keys.get("platform"),
        source_tls_verify: keys.get("source_tls_verify"),
        cache_insecure: keys.get("cache_insecure"),
        policy: policy::read(keys),
    }
}

/// One place that it goes to, or several.
pub(super) fn targets(keys: &Keys<'_>) -> Option<Box<[Box<str>]>> {
    let node = keys.node("targets")?;
    let targets: Vec<Box<str>> = if node.items().is_ok() {
        keys.get("targets")?
    } else {
        vec![keys.get("targets")?]
    };
    if targets.is_empty() {
        let text = "found an empty list, expected names of targets, or HOST/NAME";
        keys.report(Problem::new(text).key("targets"));
    }
    Some(targets.into())
}

/// What `tag` or `tags` say.
fn selectors(keys: &Keys<'_>) -> Vec<Selector> {
    let tag = keys.get("tag");
    let Some(tags) = keys.node("tags") else {
        return vec![Selector::One(tag)];
    };
    if tag.is_some() {
        keys.report(Problem::new("found tag beside it, expected one of the two").key("tags"));
    }
    if tags.items().is_ok() {
        let tags: Vec<Box<str>> = keys.get("tags").unwrap_or_default();
        if tags.is_empty() {
            let text = "found an empty list, expected at least one tag, or the word all";
            keys.report(Problem::new(text).key("tags"));
        }
        return tags
            .into_iter()
            .map(|tag| Selector::One(Some(tag)))
            .collect();
    }
    let rules = keys.nested("tags", tag_rules::read);
    rules
        .map(Box::new)
        .map(Selector::Rules)
        .into_iter()
        .collect()
}
