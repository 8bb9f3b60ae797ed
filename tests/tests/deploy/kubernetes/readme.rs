//! What deploy/kubernetes/README.md names.

use std::collections::BTreeSet;

use super::manifests::{items, pods};
use crate::files::{repository, text_of};

fn readme() -> String {
    text_of("deploy/kubernetes/README.md")
}

/// The words of a text that are set as code.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2))
}

#[test]
fn files_that_it_names_are_there() {
    let readme = readme();
    let (_, commands) = readme.split_once("```sh").unwrap();
    let folders = ["deploy/kubernetes", "deploy/helm"];
    let in_commands = commands.split_whitespace();
    let in_commands =
        in_commands.filter(|word| folders.iter().any(|folder| word.starts_with(folder)));
    let in_prose = code(&readme).filter(|word| {
        ["base/", "overlays/", "components/"]
            .iter()
            .any(|folder| word.starts_with(folder))
    });
    let in_prose = in_prose.map(|word| format!("deploy/kubernetes/{word}"));
    let named: BTreeSet<String> = in_commands.map(ToOwned::to_owned).chain(in_prose).collect();
    assert!(named.len() > 10, "{named:?}");
    for path in named {
        assert!(repository(&path).exists(), "{path}");
    }
}

/// Whoever follows it has all Secrets that pods are given.
#[test]
fn secrets_that_pods_are_given_are_made_by_its_commands() {
    let readme = readme();
    let (_, after) = readme.split_once("for role in ").unwrap();
    let (roles, _) = after.split_once(';').unwrap();
    let of_roles = roles
        .split(' ')
        .map(|role| format!("image-sync-nats-{role}"));
    let words = readme
        .split("create secret generic ")
        .skip(1)
        .filter_map(|rest| rest.split_whitespace().next());
    let made: BTreeSet<String> = of_roles.chain(words.map(ToOwned::to_owned)).collect();
    for pod in pods() {
        let volumes = items(&pod.spec()["volumes"]);
        let sources = volumes
            .iter()
            .flat_map(|volume| items(&volume["projected"]["sources"]));
        let projected = sources.filter_map(|source| source["secret"]["name"].as_str());
        let named = volumes
            .iter()
            .filter_map(|volume| volume["secret"]["secretName"].as_str());
        for secret in named.chain(projected) {
            assert!(
                made.contains(secret),
                "{}: {secret}, made are {made:?}",
                pod.place
            );
        }
    }
}
