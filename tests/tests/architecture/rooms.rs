//! The rooms: no folder of Rust sources shows more than can be taken in at a glance.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::root;

/// How many entries a folder may have.
const MOST: usize = 12;

/// Where `cargo fuzz` looks for a file per target: a folder in between would hide them from it.
const EXCEPTED: [&str; 1] = ["fuzz/fuzz_targets"];

#[test]
fn a_folder_of_sources_has_a_dozen_entries_at_most() {
    let crowded: Vec<String> = ["crates", "tests", "fuzz"]
        .iter()
        .flat_map(|name| folders_of_sources(&root().join(name)))
        .map(|folder| (entries(&folder), below_root(&folder)))
        .filter(|(entries, name)| entries.len() > MOST && !EXCEPTED.contains(&name.as_str()))
        .map(|(entries, name)| format!("{name} has {}: {entries:?}", entries.len()))
        .collect();
    assert!(crowded.is_empty(), "{crowded:#?}");
}

#[test]
fn each_excepted_folder_is_there() {
    for name in EXCEPTED {
        assert!(root().join(name).is_dir(), "{name} is no folder");
    }
}

/// This folder and all below it, where they hold Rust files, directly or further below.
fn folders_of_sources(folder: &Path) -> Vec<PathBuf> {
    let below: Vec<PathBuf> = paths_in(folder)
        .into_iter()
        .filter(|path| path.is_dir() && !path.ends_with("target"))
        .flat_map(|path| folders_of_sources(&path))
        .collect();
    let holds_some = paths_in(folder).iter().any(|path| is_rust(path));
    let this = (holds_some || !below.is_empty()).then(|| folder.to_owned());
    this.into_iter().chain(below).collect()
}

/// The names in a folder. A module is one entry: its file `x.rs` and its folder `x`.
fn entries(folder: &Path) -> BTreeSet<String> {
    let names = paths_in(folder).into_iter().filter_map(|path| {
        let name = if is_rust(&path) {
            path.file_stem()
        } else {
            path.file_name()
        };
        Some(name?.to_string_lossy().into_owned())
    });
    names.filter(|name| !name.starts_with('.')).collect()
}

fn paths_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a readable folder");
    entries
        .map(|entry| entry.expect("a readable entry").path())
        .collect()
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

fn below_root(folder: &Path) -> String {
    let name = folder
        .strip_prefix(root())
        .expect("a folder of the project");
    name.to_string_lossy().into_owned()
}
