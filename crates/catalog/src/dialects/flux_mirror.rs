//! The config of flux-mirror: artifacts with a selector of tags. Its Helm charts have no equal here.

use super::translation::{Kind, Mapping, Translation, Translator};
use crate::document::Node;
use crate::problem::Problem;

const KEYS: [&str; 5] = ["apiVersion", "kind", "metadata", "charts", "artifacts"];
const ARTIFACT_KEYS: [&str; 6] = [
    "name",
    "source",
    "destination",
    "selector",
    "includeReferrers",
    "overwrite",
];
const SELECTOR: [(&str, &str); 5] = [
    ("semver", "semver"),
    ("limit", "latest"),
    ("regex", "include"),
    ("extract", "extract"),
    ("sort", "sort"),
];

pub(super) fn translate(document: &Node, mut to: Translator<'_>) -> Translation {
    let root = match Mapping::of(document, "", "a mapping with artifacts") {
        Ok(root) => root,
        Err(problem) => {
            to.report(problem);
            return to.finish();
        }
    };
    root.note_unknown(&KEYS, &mut to);
    let charts = root.items("charts", &mut to);
    for (index, chart) in charts.iter().enumerate() {
        let why = "charts of Helm's own repositories are not in a registry, and are not copied";
        to.note(Kind::Missing, chart.place, format!("charts[{index}]"), why);
    }
    let artifacts = root.items("artifacts", &mut to);
    // Most go to one registry, which is that of the first.
    let first = artifacts.iter().find_map(|item| {
        let destination = Mapping::of(item, "", "").ok()?.node("destination")?;
        bare(destination.text()?).split('/').next()
    });
    let registry = first.unwrap_or("localhost");
    to.set("cache_registry", Node::of_text(registry));
    for (index, item) in artifacts.iter().enumerate() {
        artifact(item, &format!("artifacts[{index}]"), registry, &mut to);
    }
    to.finish()
}

fn bare(text: &str) -> &str {
    text.trim_start_matches("oci://")
}

fn artifact(item: &Node, path: &str, registry: &str, to: &mut Translator<'_>) {
    let read = Mapping::of(item, path, "a mapping with source and destination");
    let Some(artifact) = to.ok(item.place, read) else {
        return;
    };
    artifact.note_unknown(&ARTIFACT_KEYS, to);
    let mut named = Vec::with_capacity(2);
    for key in ["source", "destination"] {
        let text = artifact.text(key, to);
        if artifact.node(key).is_none() {
            let problem = Problem::new("missing, expected HOST/NAME").key(&artifact.key(key));
            to.report(problem.at(item.place));
        }
        named.extend(text.map(bare));
    }
    let [source, destination] = named.as_slice() else {
        return;
    };
    let text = |text: &str| Node::of_text(text).at(item.place);
    let in_registry = destination.strip_prefix(registry);
    let target = match in_registry.and_then(|rest| rest.strip_prefix('/')) {
        Some(name) => ("cache_as", text(name)),
        None => ("targets", text(destination)),
    };
    let mut pairs = vec![("source", text(source)), target, ("platform", text("all"))];
    // A tag that is there with something else is an outcome of its own there.
    if artifact.flag("overwrite", to) != Some(true) {
        pairs.push(("overwrite", text("error")));
    }
    let mut rules = Vec::new();
    if let Some(node) = artifact.node("selector") {
        let path = artifact.key("selector");
        if let Some(selector) = to.ok(node.place, Mapping::of(node, &path, "a mapping")) {
            selector.note_unknown(&SELECTOR.map(|(key, _)| key), to);
            for (key, own) in SELECTOR {
                rules.extend(selector.node(key).map(|value| (own, value.clone())));
            }
        }
    }
    let tags = if rules.is_empty() {
        text("all")
    } else {
        Node::of_pairs(rules).at(item.place)
    };
    pairs.push(("tags", tags));
    if artifact.flag("includeReferrers", to) == Some(true) {
        pairs.push(("referrers", text("true")));
    }
    to.image(item.place, pairs);
}

#[cfg(test)]
mod tests;
