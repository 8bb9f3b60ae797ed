//! The layers inside the crates: which folder may use which, and that files form no circles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{read, root, rust_files_in};

/// The modules of a crate's root, lowest first: each may use those before it.
const LAYERS: [(&str, &[&str]); 9] = [
    (
        "catalog",
        &[
            "problem",
            "document",
            "tag_rules",
            "entry",
            "images",
            "dialects",
            "config_file",
            "selection",
            "identity",
        ],
    ),
    ("producer", &["jobs", "run_id", "produce", "replay"]),
    (
        "aggregator",
        &[
            "sparse",
            "again",
            "outage",
            "fold",
            "aggregate",
            "follow_runs",
            "janitor",
            "image_states",
            "why",
        ],
    ),
    ("worker", &["decide", "context", "transfer", "run_loop"]),
    (
        "webhook",
        &[
            "senders", "samples", "proof", "rate", "seen", "ledger", "coalesce", "intake",
            "receive",
        ],
    ),
    (
        "registry",
        &[
            "http",
            "single_flight",
            "credentials",
            "auth",
            "client",
            "layout",
            "distribution",
            "router",
        ],
    ),
    (
        "queue",
        &[
            "messages",
            "known_pauses",
            "ports",
            "memo",
            "in_process",
            "jetstream",
        ],
    ),
    (
        "cli",
        &[
            "terminal",
            "process",
            "options",
            "output",
            "telemetry",
            "server",
            "run",
            "commands",
            "args",
        ],
    ),
    (
        "testkit",
        &[
            "sync",
            "complete",
            "images",
            "tls",
            "fake_registry",
            "network",
            "ports",
            "servers",
        ],
    ),
];

/// What tests are made of stands beside the layers.
const BESIDE: [&str; 4] = ["tests", "samples", "fuzzing", "lib"];

/// A module of a crate: `["http", "network", "address"]`.
type Module = Vec<String>;

/// Which modules of a crate each of its modules names, but in its tests.
fn uses_in(name: &str) -> BTreeMap<Module, BTreeSet<Module>> {
    let source = root().join("crates").join(name).join("src");
    let files: BTreeMap<Module, String> = rust_files_in(&source)
        .iter()
        .map(|file| (module_of(file, &source), read(file)))
        .filter(|(module, _)| !module.iter().any(|part| BESIDE.contains(&part.as_str())))
        .collect();
    let named = |module: &Module, text: &str| {
        let paths = code(text).flat_map(|line| paths_in(&line, module));
        let found = paths.filter_map(|path| {
            let prefixes = (1..=path.len()).rev().map(|length| path[..length].to_vec());
            prefixes
                .into_iter()
                .find(|prefix| files.contains_key(prefix))
        });
        found.filter(|other| other != module).collect()
    };
    files
        .iter()
        .map(|(module, text)| (module.clone(), named(module, text)))
        .collect()
}

fn module_of(file: &Path, source: &Path) -> Module {
    let path = file.strip_prefix(source).expect("a file of the crate");
    let parts = path.with_extension("");
    let parts = parts.iter().map(|part| part.to_string_lossy().into_owned());
    parts.collect()
}

/// The statements before the tests of a file, each on one line and without comments.
fn code(text: &str) -> impl Iterator<Item = String> {
    let lines = text
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .map(str::trim)
        .filter(|line| !line.starts_with("//"));
    let joined: Vec<&str> = lines.collect();
    let statements = joined.join(" ");
    let statements: Vec<String> = statements.split(';').map(str::to_owned).collect();
    statements.into_iter()
}

/// The paths that begin with `crate::` or `super::` in a statement of `module`, as seen from the root.
fn paths_in(statement: &str, module: &Module) -> Vec<Module> {
    let mut found = Vec::new();
    let words = |text: &str| -> Vec<String> {
        let name = |letter: char| letter.is_alphanumeric() || letter == '_';
        let parts = text.split(|letter: char| !name(letter));
        parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    for (place, _) in statement
        .match_indices("crate::")
        .chain(statement.match_indices("super::"))
    {
        // `super::super::` is taken from its beginning.
        if statement[..place].ends_with("super::") {
            continue;
        }
        let rest = &statement[place..];
        let end = rest
            .find(|letter: char| !(letter.is_alphanumeric() || "_:{".contains(letter)))
            .unwrap_or(rest.len());
        let (head, list) = match rest[..end].split_once('{') {
            Some((head, _)) => {
                let begin = head.len() + 1;
                let close = rest[begin..].find('}').map_or(rest.len(), |at| begin + at);
                (head, Some(&rest[begin..close]))
            }
            None => (&rest[..end], None),
        };
        let mut base: Module = Vec::new();
        let mut parts = words(head).into_iter().peekable();
        let ups = std::iter::from_fn(|| parts.next_if(|part| part == "super")).count();
        if ups > 0 {
            base = module[..module.len().saturating_sub(ups)].to_vec();
        }
        base.extend(parts.filter(|part| part != "crate"));
        match list {
            Some(list) => {
                let items = words(list).into_iter();
                found.extend(items.map(|item| [base.clone(), vec![item]].concat()));
            }
            None => found.push(base),
        }
    }
    found
}

#[test]
fn a_folder_uses_only_those_below_it() {
    for (name, layers) in LAYERS {
        let layer = |module: &Module| {
            let first = module.first().expect("a module has a name");
            let found = layers.iter().position(|layer| layer == first);
            found.unwrap_or_else(|| panic!("crates/{name}/src/{first} has no layer"))
        };
        for (module, used) in uses_in(name) {
            for other in used {
                assert!(
                    layer(&other) <= layer(&module),
                    "crates/{name}/src/{} uses {}, which is above it",
                    module.join("/"),
                    other.join("/")
                );
            }
        }
    }
}

#[test]
fn files_form_no_circle_but_a_parent_with_its_own_children() {
    for name in crates() {
        let uses = uses_in(&name);
        for module in uses.keys() {
            let mut reached = BTreeSet::new();
            let mut next = vec![module.clone()];
            while let Some(from) = next.pop() {
                for to in &uses[&from] {
                    let is_family = to.starts_with(&from) || from.starts_with(to);
                    assert!(
                        is_family || to != module,
                        "crates/{name}/src: {} uses {}, which leads back to it",
                        from.join("/"),
                        module.join("/")
                    );
                    if !is_family && reached.insert(to.clone()) {
                        next.push(to.clone());
                    }
                }
            }
        }
    }
}

fn crates() -> Vec<String> {
    let entries = fs::read_dir(root().join("crates")).expect("a readable folder");
    let names = entries.map(|entry| entry.expect("a readable entry").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.collect()
}
