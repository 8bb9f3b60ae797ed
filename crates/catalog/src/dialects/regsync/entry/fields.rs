//! What templates may name of the entry that they stand in.

use crate::dialects::regsync::template::Value;
use crate::dialects::translation::Mapping;

/// The fields that are texts, and their keys.
const TEXTS: [(&str, &str); 8] = [
    ("Source", "source"),
    ("Target", "target"),
    ("Type", "type"),
    ("Platform", "platform"),
    ("Backup", "backup"),
    ("Schedule", "schedule"),
    ("ReferrerSrc", "referrerSource"),
    ("ReferrerTgt", "referrerTarget"),
];

/// The value of a field of an entry, of which the source may be known already.
pub(super) fn field(path: &[&str], source: Option<&str>, entry: &Mapping<'_>) -> Option<Value> {
    let text = |key: &str| {
        entry
            .node(key)
            .and_then(|node| node.text())
            .unwrap_or_default()
            .to_owned()
    };
    let list = |mapping: Option<&Mapping<'_>>, key: &str| {
        let node = mapping.and_then(|mapping| mapping.node(key));
        let items = node.and_then(|node| node.items().ok()).unwrap_or_default();
        Value::List(
            items
                .iter()
                .filter_map(|item| item.text().map(str::to_owned))
                .collect(),
        )
    };
    match (path, source) {
        (["Source"], Some(source)) => Some(Value::Text(source.to_owned())),
        (["Platforms"], _) => Some(list(Some(entry), "platforms")),
        (["MediaTypes"], _) => Some(list(Some(entry), "mediaTypes")),
        (
            [
                of @ ("Tags" | "Repos"),
                name @ ("Allow" | "Deny" | "SemverRange"),
            ],
            _,
        ) => {
            let node = entry.node(&of.to_lowercase());
            let mapping = node.and_then(|node| Mapping::of(node, "", "").ok());
            let key = match *name {
                "SemverRange" => "semverRange".to_owned(),
                name => name.to_lowercase(),
            };
            Some(list(mapping.as_ref(), &key))
        }
        ([name], _) => {
            let known = TEXTS.iter().find(|(known, _)| known == name);
            known.map(|(_, key)| Value::Text(text(key)))
        }
        _ => None,
    }
}
