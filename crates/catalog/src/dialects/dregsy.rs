//! The config of dregsy: tasks, each with a source, a target and mappings of repositories from the one to the other.

mod location;
mod mapping;
mod rules;
mod versions;

use std::collections::BTreeMap;

use self::location::{Location, Logins, without_account};
use super::translation::{self, Kind, Mapping, Translation, Translator};
use crate::document::Node;
use crate::problem::Problem;

const KEYS: [&str; 8] = [
    "relay",
    "watch",
    "skopeo",
    "docker",
    "dockerhost",
    "api-version",
    "lister",
    "tasks",
];
const TASK_KEYS: [&str; 6] = [
    "name", "interval", "verbose", "source", "target", "mappings",
];
/// The shortest interval of a task, in seconds.
const SHORTEST: i64 = 30;
const NO_TOOL: &str = "image-sync copies by itself, without another tool";

/// What holds for all tasks.
struct All {
    /// Where skopeo looks for certificates: a folder for each registry.
    certificates: Option<String>,
    /// The registries that images go to, and how they are called.
    targets: BTreeMap<String, String>,
    logins: Logins,
    /// Whether the certificates of hosts are verified.
    verified: BTreeMap<String, bool>,
}

impl All {
    /// The key `targets` of an image that goes to a registry; none where there is only one.
    fn target(&self, target: &Location) -> Option<(&'static str, Node)> {
        let name = self.targets.get(&target.registry)?;
        (self.targets.len() > 1).then(|| ("targets", Node::of_text(name).at(target.place)))
    }
}

pub(super) fn translate(document: &Node, mut to: Translator<'_>) -> Translation {
    let root = match Mapping::of(document, "", "a mapping with tasks") {
        Ok(root) => root,
        Err(problem) => {
            to.report(problem);
            to.set("cache_registry", Node::of_text("localhost"));
            return to.finish();
        }
    };
    root.note_unknown(&KEYS, &mut to);
    let mut all = All {
        certificates: certificates(&root, &mut to),
        targets: targets(&root, &mut to),
        logins: Logins::default(),
        verified: BTreeMap::new(),
    };
    whole_config(&root, &mut to);
    let platform = translation::own_platform();
    let why = format!(
        "where a mapping names none, of images for several platforms that for {platform} is copied, as this machine is one: as dregsy does"
    );
    to.note(Kind::Mapped, document.place, "platform", why);
    let defaults = vec![("platform", Node::of_text(&platform))];
    to.set("defaults", Node::of_pairs(defaults));
    for (index, node) in items(&root, "tasks", "a list of tasks", &mut to)
        .iter()
        .enumerate()
    {
        let path = format!("tasks[{index}]");
        let expected = "a mapping with name, source, target and mappings";
        let mapping = Mapping::of(node, &path, expected).map_err(|problem| problem.key(&path));
        if let Some(mapping) = to.ok(node.place, mapping) {
            task(&mapping, &mut all, &mut to);
        }
    }
    all.logins.settle(&mut to);
    to.finish()
}

/// The registries of the targets of all tasks. One is the cache registry, several have names.
fn targets(root: &Mapping<'_>, to: &mut Translator<'_>) -> BTreeMap<String, String> {
    let tasks = root.node("tasks").and_then(|tasks| tasks.items().ok());
    let registries = tasks.unwrap_or_default().iter().filter_map(|task| {
        let target = Mapping::of(task, "", "").ok()?.node("target")?;
        let registry = Mapping::of(target, "", "").ok()?.node("registry")?;
        Some(without_account(registry.text()?.trim_end_matches('/')).to_owned())
    });
    let mut targets: BTreeMap<String, String> = BTreeMap::new();
    for registry in registries {
        let letter = |letter: char| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        };
        let mut name: String = registry.chars().map(letter).collect();
        if targets
            .iter()
            .any(|(other, known)| *known == name && *other != registry)
        {
            name = format!("{name}-{}", targets.len());
        }
        targets.entry(registry).or_insert(name);
    }
    if targets.len() < 2 {
        // Where there is none that is told, and all else is checked.
        let registry = targets.keys().next().map_or("localhost", String::as_str);
        to.set("cache_registry", Node::of_text(registry));
    } else {
        for (registry, name) in &targets {
            to.target(name, vec![("registry", Node::of_text(registry))]);
        }
    }
    targets
}

/// What is said beside the tasks.
fn whole_config(root: &Mapping<'_>, to: &mut Translator<'_>) {
    if let (Some(relay), Some(node)) = (root.text("relay", to), root.node("relay"))
        && !matches!(relay, "skopeo" | "docker")
    {
        let text = format!("found {relay:?}, expected skopeo or docker");
        to.report(Problem::new(text).key("relay").at(node.place));
    }
    if root.flag("watch", to) == Some(true)
        && let Some(node) = root.node("watch")
    {
        let why = "image-sync producer --every reads its config anew before each run";
        to.note(Kind::LeftOut, node.place, "watch", why);
    }
    for key in ["docker", "dockerhost", "api-version"] {
        if let Some(node) = root.node(key) {
            to.note(Kind::LeftOut, node.place, key, NO_TOOL);
        }
    }
    lister(root, to);
}

/// How long lists of repositories are there.
fn lister(root: &Mapping<'_>, to: &mut Translator<'_>) {
    let Some(node) = root.node("lister") else {
        return;
    };
    let lister = Mapping::of(node, "lister", "a mapping with maxItems and cacheDuration")
        .map_err(|problem| problem.key("lister"));
    let Some(lister) = to.ok(node.place, lister) else {
        return;
    };
    lister.note_unknown(&["maxItems", "cacheDuration"], to);
    for (key, kind, why) in [
        (
            "maxItems",
            Kind::Missing,
            "all repositories of a registry's catalog are listed, 100,000 at most",
        ),
        (
            "cacheDuration",
            Kind::LeftOut,
            "each run lists the repositories of a registry once",
        ),
    ] {
        if let Some(node) = lister.node(key) {
            to.note(kind, node.place, lister.key(key), why);
        }
    }
}

/// The folder with folders of certificates, where one is said.
fn certificates(root: &Mapping<'_>, to: &mut Translator<'_>) -> Option<String> {
    let node = root.node("skopeo")?;
    let skopeo = Mapping::of(node, "skopeo", "a mapping with binary and certs-dir")
        .map_err(|problem| problem.key("skopeo"));
    let skopeo = to.ok(node.place, skopeo)?;
    skopeo.note_unknown(&["binary", "certs-dir"], to);
    if let Some(binary) = skopeo.node("binary") {
        to.note(Kind::LeftOut, binary.place, "skopeo.binary", NO_TOOL);
    }
    skopeo.text("certs-dir", to).map(str::to_owned)
}

fn task(task: &Mapping<'_>, all: &mut All, to: &mut Translator<'_>) {
    task.note_unknown(&TASK_KEYS, to);
    if task.text("name", to).is_none_or(str::is_empty) {
        let missing = "missing, expected a name as in nightly";
        to.report(
            Problem::new(missing)
                .key(&task.key("name"))
                .at(task.place()),
        );
    }
    interval(task, to);
    if task.flag("verbose", to) == Some(true)
        && let Some(node) = task.node("verbose")
    {
        let why = "--log-level says how much is logged";
        to.note(Kind::LeftOut, node.place, task.key("verbose"), why);
    }
    let source = location(task, "source", all, to);
    let target = location(task, "target", all, to);
    if task.node("mappings").is_none() {
        let why = "it has no mappings, so that nothing is copied";
        to.note(Kind::LeftOut, task.place(), task.key("mappings"), why);
        return;
    }
    for (index, node) in items(task, "mappings", "a list of mappings", to)
        .iter()
        .enumerate()
    {
        let path = format!("{}[{index}]", task.key("mappings"));
        let expected = "a mapping with from, to and tags";
        let mapping = Mapping::of(node, &path, expected).map_err(|problem| problem.key(&path));
        if let Some(mapping) = to.ok(node.place, mapping) {
            mapping::translate(&mapping, source.as_ref(), target.as_ref(), all, to);
        }
    }
}

/// A task has a schedule of its own, images have none.
fn interval(task: &Mapping<'_>, to: &mut Translator<'_>) {
    let Some(node) = task.node("interval") else {
        return;
    };
    let key = task.key("interval");
    let seconds: Option<i64> = node.text().and_then(|text| text.parse().ok());
    match seconds {
        Some(0) => {}
        Some(seconds) if seconds >= SHORTEST => {
            let why = format!(
                "all tasks are worked in each run; how often there is one is said by cron or image-sync producer --every {seconds}s"
            );
            to.note(Kind::Missing, node.place, key, why);
        }
        _ => {
            let text = node
                .text()
                .map_or_else(String::new, |text| format!("found {text:?}, "));
            let told =
                format!("{text}expected a number of seconds, {SHORTEST} or more, or 0 for once");
            to.report(Problem::new(told).key(&key).at(node.place));
        }
    }
}

fn location(
    task: &Mapping<'_>,
    key: &str,
    all: &mut All,
    to: &mut Translator<'_>,
) -> Option<Location> {
    let path = task.key(key);
    let Some(node) = task.node(key) else {
        let missing = "missing, expected a mapping with registry";
        to.report(Problem::new(missing).key(&path).at(task.place()));
        return None;
    };
    let mapping = Mapping::of(node, &path, "a mapping with registry");
    let mapping = to.ok(node.place, mapping.map_err(|problem| problem.key(&path)))?;
    let location = Location::read(&mapping, all.certificates.as_deref(), to)?;
    let host = location.host().to_owned();
    let verified = all.verified.entry(host).or_insert(location.is_verified);
    if *verified != location.is_verified {
        let why = format!(
            "another source or target says otherwise of {}, whose certificate is verified for none of them then",
            location.host()
        );
        to.note(
            Kind::Mapped,
            node.place,
            mapping.key("skip-tls-verify"),
            why,
        );
    }
    Some(location)
}

/// The items of the list `key`, none where there is no list.
fn items<'n>(of: &Mapping<'n>, key: &str, expected: &str, to: &mut Translator<'_>) -> &'n [Node] {
    let path = of.key(key);
    let Some(node) = of.node(key) else {
        let missing = format!("missing, expected {expected}");
        to.report(Problem::new(missing).key(&path).at(of.place()));
        return &[];
    };
    let Ok(items) = node.items() else {
        to.report(node.mismatch(expected).key(&path));
        return &[];
    };
    items
}

#[cfg(test)]
mod tests;
