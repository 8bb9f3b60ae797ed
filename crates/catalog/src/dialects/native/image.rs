//! One image of the list `images`.

use crate::document::{Keys, Node};
use crate::entry::Entry;
use crate::problem::{Problem, Problems};

const EXPECTED: &str = "a mapping with source and tag";
const KEYS: [&str; 6] = [
    "source",
    "tag",
    "cache_as",
    "platform",
    "source_tls_verify",
    "cache_insecure",
];

pub(super) fn read(node: &Node) -> Result<Entry, Problems> {
    let keys = Keys::of(node, EXPECTED, &KEYS)?;
    if keys.node("source").is_none() {
        keys.report(Problem::new("source is missing, expected source: HOST/NAME as in docker.io/library/nginx, or source: oci:FOLDER"));
    }
    let (source, tag) = (keys.get("source"), keys.get("tag"));
    let (cache_as, platforms) = (keys.get("cache_as"), keys.get("platform"));
    let source_tls_verify = keys.get("source_tls_verify");
    let cache_insecure = keys.get("cache_insecure");
    let entry = source.map(|source| Entry {
        place: node.place,
        source,
        tag,
        cache_as,
        platforms,
        source_tls_verify,
        cache_insecure,
    });
    keys.finish(entry)
}
