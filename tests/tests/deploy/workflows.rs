//! The workflows: what they may do, whom they trust, and that what they run is there.

mod release;

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml_ng::Value;

use crate::files::{repository, text_of};

const CI: &str = ".github/workflows/ci.yml";
const RELEASE: &str = ".github/workflows/release.yml";

/// The jobs that may do more than read, and what.
const WRITERS: [(&str, &str, &[&str]); 3] = [
    (RELEASE, "images", &["packages"]),
    (RELEASE, "sign", &["id-token", "packages"]),
    (
        RELEASE,
        "release",
        &["attestations", "contents", "id-token"],
    ),
];

fn workflow(path: &str) -> Value {
    serde_yaml_ng::from_str(&text_of(path)).unwrap()
}

fn jobs(path: &str) -> Vec<(String, Value)> {
    let workflow = workflow(path);
    let jobs = workflow["jobs"].as_mapping().unwrap().clone();
    let named = |(name, job): (Value, Value)| (name.as_str().unwrap().to_owned(), job);
    jobs.into_iter().map(named).collect()
}

fn steps(job: &Value) -> Vec<Value> {
    job["steps"].as_sequence().unwrap().clone()
}

/// All scripts of both workflows and of the action.
fn scripts() -> Vec<String> {
    let jobs = [CI, RELEASE].into_iter().flat_map(jobs);
    let of_action = workflow("action.yml")["runs"].clone();
    let steps = jobs
        .flat_map(|(_, job)| steps(&job))
        .chain(steps(&of_action));
    steps
        .filter_map(|step| Some(step["run"].as_str()?.to_owned()))
        .collect()
}

#[test]
fn a_job_may_read_unless_it_is_one_that_has_to_write() {
    for path in [CI, RELEASE] {
        let nothing = workflow(path)["permissions"].as_mapping().cloned();
        assert!(nothing.is_some_and(|it| it.is_empty()), "{path}");
        for (name, job) in jobs(path) {
            let permissions = job["permissions"].as_mapping();
            let permissions = permissions.unwrap_or_else(|| panic!("{path}: {name} has none"));
            let writes: Vec<&str> = permissions
                .iter()
                .filter(|(_, level)| *level != "read")
                .filter_map(|(scope, _)| scope.as_str())
                .collect();
            let allowed = WRITERS
                .iter()
                .find(|(of, job, _)| (*of, *job) == (path, &name));
            let allowed: BTreeSet<&str> = allowed
                .into_iter()
                .flat_map(|(_, _, scopes)| scopes.iter().copied())
                .collect();
            assert_eq!(BTreeSet::from_iter(writes), allowed, "{path}: {name}");
        }
    }
}

#[test]
fn an_action_is_pinned_by_a_commit_whose_version_is_told() {
    let mut pinned = BTreeMap::<String, String>::new();
    for path in [CI, RELEASE, "action.yml"] {
        let text = text_of(path);
        let used = text.lines().filter_map(|line| {
            let line = line.trim_start().trim_start_matches("- ");
            line.strip_prefix("uses: ")
        });
        for used in used.filter(|used| *used != "./") {
            let (action, pin) = used.split_once('@').unwrap();
            let (commit, version) = pin
                .split_once(" # v")
                .unwrap_or_else(|| panic!("{path}: {used} has no version"));
            let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(
                commit.len() == 40 && commit.chars().all(hex),
                "{path}: {used}"
            );
            assert_eq!(version.split('.').count(), 3, "{path}: {used}");
            let before = pinned.insert(action.to_owned(), pin.to_owned());
            assert!(before.is_none_or(|before| before == pin), "{path}: {used}");
        }
    }
    assert!(!pinned.is_empty());
}

#[test]
fn no_expression_stands_in_a_script() {
    for script in scripts() {
        assert!(!script.contains("${{"), "a value becomes code: {script}");
    }
}

#[test]
fn a_checkout_leaves_no_token_behind() {
    for (name, job) in [CI, RELEASE].into_iter().flat_map(jobs) {
        for step in steps(&job) {
            let used = step["uses"].as_str().unwrap_or_default();
            if used.starts_with("actions/checkout@") {
                assert_eq!(step["with"]["persist-credentials"], false, "{name}");
            }
        }
    }
}

#[test]
fn a_job_has_a_time_limit() {
    for (name, job) in [CI, RELEASE].into_iter().flat_map(jobs) {
        assert!(job["timeout-minutes"].is_u64(), "{name}");
    }
}

#[test]
fn the_files_that_scripts_name_are_there() {
    let scripts = scripts().join("\n");
    let words = scripts.split(|c: char| c.is_whitespace() || "\"'$".contains(c));
    let rooms = [
        "scripts/",
        "deploy/",
        "docs/",
        "examples/",
        ".ci/",
        "/deploy/",
    ];
    let named: BTreeSet<&str> = words
        .filter(|word| rooms.iter().any(|room| word.starts_with(room)))
        .map(|word| word.trim_start_matches('/').trim_end_matches('*'))
        .collect();
    assert!(
        named.contains("scripts/test") && named.contains("deploy/action/sync"),
        "{named:?}"
    );
    for path in named {
        assert!(repository(path).exists(), "{path} is not there");
    }
}

#[test]
fn the_stages_that_the_release_builds_are_in_the_dockerfile() {
    let scripts = scripts();
    let build = scripts
        .iter()
        .find(|it| it.contains("buildx build"))
        .unwrap();
    let (_, targets) = build.split_once("for target in ").unwrap();
    let (targets, _) = targets.split_once(';').unwrap();
    let dockerfile = text_of("deploy/Dockerfile").to_lowercase();
    let stages: BTreeSet<&str> = dockerfile
        .lines()
        .filter(|line| line.starts_with("from "))
        .filter_map(|line| Some(line.split_once(" as ")?.1.trim()))
        .collect();
    for target in targets.split(' ') {
        assert!(stages.contains(target), "{target} is not among {stages:?}");
    }
}
