//! One item of the list `repositories`: all repositories of a registry, or of a namespace there.

use crate::document::{Keys, Node};
use crate::entry::{Entry, Namespace};
use crate::problem::{Origin, Problem, Problems};

use super::{image, tag_rules};

const EXPECTED: &str = "a mapping with source and tags";
pub(super) const KEYS: [&str; 13] = [
    "source",
    "include",
    "exclude",
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

/// The entries that it stands for: several, where it lists its tags.
pub(super) fn read(node: &Node, origin: Origin) -> Result<Vec<Entry>, Problems> {
    let keys = Keys::of(node, EXPECTED, &KEYS)?;
    for (key, expected) in [
        (
            "source",
            "HOST or HOST/NAMESPACE as in harbor.example.com/team-a",
        ),
        (
            "tags",
            "a list of tags, the word all, or a mapping of rules",
        ),
    ] {
        if keys.node(key).is_none() {
            keys.report(Problem::new(format!("missing, expected {expected}")).key(key));
        }
    }
    let include = tag_rules::patterns(&keys, "include");
    let exclude = tag_rules::patterns(&keys, "exclude");
    let namespace = keys.get("source").and_then(|text: String| {
        let namespace = Namespace::parse(&text, include, exclude);
        let namespace = keys.ok(namespace.map_err(|problem| problem.key("source")))?;
        match keys.get::<String>("cache_as") {
            Some(template) => {
                let called = namespace.called(&template);
                keys.ok(called.map_err(|problem| problem.key("cache_as")))
            }
            None => Some(namespace),
        }
    });
    let entries = namespace.map(|namespace| {
        let sample = namespace.sample();
        let entries = image::entries(&keys, &namespace.source_of(&sample), origin);
        let of_all = |entry| Entry {
            cache_as: namespace.cache_as(&sample),
            namespace: Some(Box::new(namespace.clone())),
            ..entry
        };
        entries.into_iter().map(of_all).collect()
    });
    keys.finish(entries)
}
