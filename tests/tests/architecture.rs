//! The direction of dependencies, as docs/ARCHITECTURE.md draws it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

#[path = "architecture/layers.rs"]
mod layers;
#[path = "architecture/rooms.rs"]
mod rooms;

/// A crate of the workspace, and the crates of the workspace it may be built from.
const ALLOWED: [(&str, &[&str]); 13] = [
    ("image-sync-fuzzkit", &[]),
    ("image-sync-spool", &[]),
    ("image-sync-shared", &["image-sync-fuzzkit"]),
    (
        "image-sync-queue",
        &[
            "image-sync-fuzzkit",
            "image-sync-shared",
            "image-sync-spool",
        ],
    ),
    (
        "image-sync-registry",
        &["image-sync-fuzzkit", "image-sync-shared"],
    ),
    (
        "image-sync-catalog",
        &[
            "image-sync-fuzzkit",
            "image-sync-shared",
            "image-sync-spool",
        ],
    ),
    ("image-sync-producer", &["image-sync-shared"]),
    (
        "image-sync-aggregator",
        &[
            "image-sync-fuzzkit",
            "image-sync-shared",
            "image-sync-spool",
        ],
    ),
    (
        "image-sync-worker",
        &["image-sync-fuzzkit", "image-sync-shared"],
    ),
    (
        "image-sync-webhook",
        &["image-sync-fuzzkit", "image-sync-shared"],
    ),
    (
        "image-sync-cli",
        &[
            "image-sync-shared",
            "image-sync-queue",
            "image-sync-registry",
            "image-sync-catalog",
            "image-sync-producer",
            "image-sync-aggregator",
            "image-sync-worker",
            "image-sync-webhook",
        ],
    ),
    ("image-sync-testkit", &["image-sync-shared"]),
    (
        "image-sync-tests",
        &["image-sync-cli", "image-sync-shared", "image-sync-testkit"],
    ),
];

/// What the crate of words may not know: sockets, HTTP, NATS, a runtime.
const UNKNOWN_TO_SHARED: [&str; 8] = [
    "tokio",
    "reqwest",
    "hyper",
    "http",
    "async-nats",
    "oci-client",
    "rustls",
    "opentelemetry",
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let normal = |package: &cargo_metadata::Package| {
        let kinds = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal);
        kinds.map(|d| d.name.clone()).collect()
    };
    metadata
        .packages
        .iter()
        .map(|p| (p.name.to_string(), normal(p)))
        .collect()
}

#[test]
fn dependencies_point_in_one_direction() {
    let found = dependencies();
    let members: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(
        members,
        ALLOWED.iter().map(|(name, _)| *name).collect(),
        "each crate has a rule"
    );
    for (name, allowed) in ALLOWED {
        let ours = found[name]
            .iter()
            .filter(|dependency| members.contains(dependency.as_str()));
        let forbidden: Vec<&String> = ours
            .filter(|dependency| !allowed.contains(&dependency.as_str()))
            .collect();
        assert!(
            forbidden.is_empty(),
            "{name} may not depend on {forbidden:?}"
        );
    }
}

#[test]
fn the_words_know_no_io() {
    let found = dependencies();
    let known: Vec<&str> = UNKNOWN_TO_SHARED
        .into_iter()
        .filter(|name| found["image-sync-shared"].contains(*name))
        .collect();
    assert!(
        known.is_empty(),
        "image-sync-shared may not depend on {known:?}"
    );
}

#[test]
fn backoff_is_used_in_one_file() {
    let users: Vec<PathBuf> = rust_files()
        .into_iter()
        .filter(|file| read(file).contains("use backoff"))
        .collect();
    let [user] = users.as_slice() else {
        panic!("one file uses the backoff crate, not {users:?}")
    };
    assert!(user.ends_with("crates/shared/src/retry.rs"), "{user:?}");
}

#[test]
fn files_stay_under_400_lines() {
    let lines = |file: &PathBuf| {
        read(file)
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"))
            .count()
    };
    let long: Vec<(usize, PathBuf)> = rust_files()
        .into_iter()
        .map(|file| (lines(&file), file))
        .filter(|(lines, _)| *lines > 400)
        .collect();
    assert!(
        long.is_empty(),
        "files with more than 400 lines before their tests: {long:?}"
    );
}

#[test]
fn each_fuzz_target_runs_over_its_corpus_as_a_test_too() {
    let fuzz = root().join("fuzz");
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(fuzz.join(folder)).expect("a readable folder");
        let paths = entries.map(|entry| entry.expect("a readable entry").path());
        paths
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect()
    };
    let sources: String = rust_files().iter().map(|file| read(file)).collect();
    let targets = names("fuzz_targets");
    assert_eq!(targets, names("corpus"));
    for target in targets {
        let run = format!("run_seeds(\"{target}\", ");
        assert!(sources.contains(&run), "nothing runs {target}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn rust_files() -> Vec<PathBuf> {
    let found = ["crates", "tests"].map(|folder| rust_files_in(&root().join(folder)));
    let found = found.concat();
    assert!(found.len() > 20, "the project's sources are found");
    found
}

fn rust_files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("architecture.rs")
            {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn commands_do_not_know_which_queue_they_work_over() {
    // Arguments for a server and the making of an installation there are that server's alone.
    let may_know = [
        "run/connection.rs",
        "commands/provision.rs",
        "commands/provision/nats_credentials.rs",
    ];
    let source = root().join("crates/cli/src");
    for file in rust_files_in(&source) {
        let name = file.strip_prefix(&source).expect("a file of the crate");
        let names_it = read(&file).contains("image_sync_queue::jetstream");
        let may = may_know.iter().any(|known| name == Path::new(known));
        assert!(
            may || !names_it,
            "{} names the JetStream queue",
            name.display()
        );
    }
}
