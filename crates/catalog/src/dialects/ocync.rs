//! The config of ocync: registries by name, groups of them, and mappings of repositories with filters of tags.

mod filters;

use std::collections::BTreeMap;

use super::translation::{Kind, Mapping, Pairs, Translation, Translator, text_or_texts};
use crate::document::Node;
use crate::problem::{Place, Problem};

const KEYS: [&str; 6] = [
    "global",
    "registries",
    "target_groups",
    "defaults",
    "mappings",
    "$schema",
];
const REGISTRY_KEYS: [&str; 6] = [
    "url",
    "auth_type",
    "max_concurrent",
    "head_first",
    "credentials",
    "token",
];
const DEFAULT_KEYS: [&str; 5] = ["source", "targets", "artifacts", "platforms", "tags"];
const ARTIFACT_KEYS: [&str; 4] = ["enabled", "include", "exclude", "require_artifacts"];
const MAPPING_KEYS: [&str; 7] = [
    "from",
    "to",
    "source",
    "targets",
    "artifacts",
    "platforms",
    "tags",
];

pub(super) fn translate(document: &Node, mut to: Translator<'_>) -> Translation {
    let root = match Mapping::of(document, "", "a mapping with registries and mappings") {
        Ok(root) => root,
        Err(problem) => {
            to.report(problem);
            return to.finish();
        }
    };
    root.note_unknown(&KEYS, &mut to);
    global(&root, &mut to);
    let names = Names {
        registries: registries(&root, &mut to),
        groups: groups(&root, &mut to),
    };
    let nothing = Node::empty_mapping();
    let defaults = root.node("defaults").unwrap_or(&nothing);
    let defaults = Mapping::of(defaults, "defaults", "a mapping");
    let place = document.place;
    let Some(defaults) = to.ok(place, defaults) else {
        return to.finish();
    };
    defaults.note_unknown(&DEFAULT_KEYS, &mut to);
    let mappings = root.needed_items("mappings", "a list of mappings", &mut to);
    for (index, item) in mappings.iter().enumerate() {
        let path = format!("mappings[{index}]");
        mapping(item, &path, &defaults, &names, &mut to);
    }
    to.finish()
}

/// What the file calls registries and groups of them.
struct Names {
    registries: BTreeMap<String, String>,
    groups: BTreeMap<String, Vec<String>>,
}

impl Names {
    fn host(&self, name: &str) -> Result<&str, Problem> {
        self.registries
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| {
                let known: Vec<&str> = self.registries.keys().map(String::as_str).collect();
                Problem::new(format!(
                    "found the registry {name:?}, expected one of {}",
                    known.join(", ")
                ))
            })
    }
}

fn global(root: &Mapping<'_>, to: &mut Translator<'_>) {
    let Some(node) = root.node("global") else {
        return;
    };
    let Some(global) = to.ok(node.place, Mapping::of(node, "global", "a mapping")) else {
        return;
    };
    if let Some(transfers) = global.node("max_concurrent_transfers") {
        to.setting("concurrency", transfers.clone());
    }
    for key in ["cache_dir", "cache_ttl", "staging_size_limit"] {
        if let Some(value) = global.node(key) {
            let why = "what is known from before is kept in the state file (--state-dir), and nothing is staged on disk";
            to.note(Kind::LeftOut, value.place, global.key(key), why);
        }
    }
}

fn registries(root: &Mapping<'_>, to: &mut Translator<'_>) -> BTreeMap<String, String> {
    let mut hosts = BTreeMap::new();
    let pairs = root.node("registries").and_then(Node::pairs);
    let Some(pairs) = pairs else {
        to.report(
            Problem::new("missing, expected a mapping of names to registries").key("registries"),
        );
        return hosts;
    };
    for (name, node) in pairs {
        let path = format!("registries.{}", name.text);
        let Some(registry) = to.ok(name.place, Mapping::of(node, &path, "a mapping with url"))
        else {
            continue;
        };
        registry.note_unknown(&REGISTRY_KEYS, to);
        let Some(url) = filled(&registry, "url", to) else {
            if registry.node("url").is_none() {
                let text = "missing, expected the host of the registry";
                to.report(Problem::new(text).key(&registry.key("url")).at(name.place));
            }
            continue;
        };
        let host = url
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .to_owned();
        let mut pairs = credentials(&registry, to);
        if let Some(most) = registry.node("max_concurrent") {
            pairs.push(("max_connections", most.clone()));
        }
        if let Some(kind) = registry.node("auth_type")
            && kind
                .text()
                .is_some_and(|kind| ["ecr", "gar", "gcr", "acr"].contains(&kind))
        {
            let why = "credentials come from Docker's config: its credential helper for that cloud does the same";
            to.note(Kind::Mapped, kind.place, registry.key("auth_type"), why);
        }
        if !pairs.is_empty() {
            to.registry(&host, pairs);
        }
        hosts.insert(name.text.to_string(), host);
    }
    hosts
}

fn credentials(registry: &Mapping<'_>, to: &mut Translator<'_>) -> Pairs {
    let mut pairs = Pairs::new();
    if let Some(node) = registry.node("credentials") {
        let path = registry.key("credentials");
        let read = Mapping::of(node, &path, "a mapping with username and password");
        if let Some(credentials) = to.ok(node.place, read) {
            for key in ["username", "password"] {
                let value = filled(&credentials, key, to);
                pairs.extend(value.map(|value| (key, Node::of_text(&value).at(node.place))));
            }
        }
    }
    if let Some(token) = filled(registry, "token", to) {
        pairs.push(("token", Node::of_text(&token).at(registry.place())));
    }
    pairs
}

fn groups(root: &Mapping<'_>, to: &mut Translator<'_>) -> BTreeMap<String, Vec<String>> {
    let pairs = root.node("target_groups").and_then(Node::pairs);
    let pairs = pairs.unwrap_or_default().iter();
    let groups = pairs.map(|(name, node)| {
        let path = format!("target_groups.{}", name.text);
        (name.text.to_string(), owned(text_or_texts(node, &path, to)))
    });
    groups.collect()
}

/// The image of one mapping, and those of tags that it names whatever the rules are.
fn mapping(
    item: &Node,
    path: &str,
    defaults: &Mapping<'_>,
    names: &Names,
    to: &mut Translator<'_>,
) {
    let Some(mapping) = to.ok(item.place, Mapping::of(item, path, "a mapping with from")) else {
        return;
    };
    mapping.note_unknown(&MAPPING_KEYS, to);
    let of_either = |key: &str| mapping.node(key).or_else(|| defaults.node(key));
    let Some(from) = filled(&mapping, "from", to) else {
        if mapping.node("from").is_none() {
            let text = "missing, expected a repository as in chainguard/nginx";
            to.report(Problem::new(text).key(&mapping.key("from")).at(item.place));
        }
        return;
    };
    let Some(source) = of_either("source") else {
        let text = "missing here and in defaults, expected the name of a registry";
        to.report(
            Problem::new(text)
                .key(&mapping.key("source"))
                .at(item.place),
        );
        return;
    };
    let host = names.host(source.text().unwrap_or_default());
    let at = |problem: Problem| problem.key(&mapping.key("source"));
    let Some(host) = to.ok(source.place, host.map_err(at)) else {
        return;
    };
    let text = |text: &str| Node::of_text(text).at(item.place);
    let mut pairs = vec![("source", text(&format!("{host}/{from}")))];
    let cache_as = filled(&mapping, "to", to).unwrap_or_else(|| from.clone());
    pairs.push(("cache_as", text(&cache_as)));
    if let Some(targets) = targets(&mapping, of_either("targets"), names, to) {
        pairs.push(("targets", targets.at(item.place)));
    }
    match of_either("platforms") {
        Some(platforms) => pairs.push(("platform", platforms.clone())),
        None => pairs.push(("platform", text("all"))),
    }
    pairs.extend(artifacts(&mapping, of_either("artifacts"), item.place, to));
    let nothing = Node::empty_mapping().at(item.place);
    // Those of a mapping stand in place of the defaults.
    let tags = of_either("tags").unwrap_or(&nothing);
    let in_tags = mapping.key("tags");
    let tags = to.ok(
        tags.place,
        Mapping::of(tags, &in_tags, "a mapping of filters"),
    );
    let Some(tags) = tags else { return };
    let of_defaults = defaults
        .node("tags")
        .and_then(|tags| Mapping::of(tags, "", "").ok());
    let (rules, exact) = filters::rules(&tags, of_defaults.as_ref(), to);
    if !exact.is_empty() {
        let mut of_exact = pairs.clone();
        let exact = exact.iter().map(|tag| text(tag)).collect();
        of_exact.push(("tags", Node::of_items(exact).at(item.place)));
        to.image(item.place, of_exact);
    }
    pairs.push(("tags", Node::of_pairs(rules).at(tags.place())));
    to.image(item.place, pairs);
}

/// Which artifacts come along: all of them, where nothing is said.
fn artifacts(
    mapping: &Mapping<'_>,
    node: Option<&Node>,
    place: Place,
    to: &mut Translator<'_>,
) -> Option<(&'static str, Node)> {
    let all = || ("referrers", Node::of_text("true").at(place));
    let Some(node) = node else {
        return Some(all());
    };
    let path = mapping.key("artifacts");
    let read = Mapping::of(node, &path, "a mapping with enabled");
    let artifacts = to.ok(node.place, read.map_err(|problem| problem.key(&path)))?;
    artifacts.note_unknown(&ARTIFACT_KEYS, to);
    if artifacts.flag("enabled", to) == Some(false) {
        return None;
    }
    let mut pairs = Pairs::new();
    for (theirs, own) in [("include", "types"), ("exclude", "exclude")] {
        // As there, an empty list is none.
        if let Some(list) = artifacts.node(theirs)
            && !artifacts.texts(theirs, to).is_empty()
        {
            pairs.push((own, list.clone()));
        }
    }
    if artifacts.flag("require_artifacts", to) == Some(true) {
        pairs.push(("required", Node::of_text("true").at(node.place)));
    }
    if pairs.is_empty() {
        return Some(all());
    }
    Some(("referrers", Node::of_pairs(pairs).at(node.place)))
}

/// The names of the targets, each of which is one of this program's own.
fn targets(
    mapping: &Mapping<'_>,
    node: Option<&Node>,
    names: &Names,
    to: &mut Translator<'_>,
) -> Option<Node> {
    let Some(node) = node else {
        let text =
            "missing here and in defaults, expected a group of targets, or a list of registries";
        let problem = Problem::new(text).key(&mapping.key("targets"));
        to.report(problem.at(mapping.place()));
        return None;
    };
    let wanted = match node.text() {
        Some(name) => match names.groups.get(name) {
            Some(group) => group.clone(),
            None => vec![name.to_owned()],
        },
        None => owned(text_or_texts(node, &mapping.key("targets"), to)),
    };
    let mut items = Vec::with_capacity(wanted.len());
    for name in &wanted {
        let at = |problem: Problem| problem.key(&mapping.key("targets"));
        let host = names.host(name).map_err(at);
        if let Some(host) = to.ok(node.place, host) {
            if !to.has_target(name) {
                to.target(name, vec![("registry", Node::of_text(host))]);
            }
            items.push(Node::of_text(name).at(node.place));
        }
    }
    Some(Node::of_items(items))
}

fn owned(texts: Vec<&str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}

/// The text of `key` with its variables.
fn filled(mapping: &Mapping<'_>, key: &str, to: &mut Translator<'_>) -> Option<String> {
    let text = mapping.text(key, to)?;
    let place = mapping.node(key).map_or(mapping.place(), |node| node.place);
    let filled = to.filled(text, key);
    to.ok(
        place,
        filled.map_err(|problem| problem.key(&mapping.key(key))),
    )
}

#[cfg(test)]
mod tests;
