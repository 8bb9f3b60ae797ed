//! docs/github-action.md: it tells of all inputs and outputs, and its examples work.

use std::collections::BTreeSet;

use image_sync_testkit::images::image;
use image_sync_tests::blocks_of;
use serde_yaml_ng::Value;

use super::runner::{Runner, action};
use super::{PASSWORD, Registries};
use crate::files::text_of;

const PAGE: &str = "docs/github-action.md";

/// The names in the first column of the table of a section.
fn names_in(section: &str) -> BTreeSet<String> {
    let text = text_of(PAGE);
    let (_, below) = text.split_once(&format!("## {section}\n")).unwrap();
    let rows = below.lines().take_while(|line| !line.starts_with("## "));
    let cells = rows.filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
    cells
        .flat_map(|(names, _)| names.split(','))
        .map(|name| name.trim_matches([' ', '`']).to_owned())
        .collect()
}

fn keys(mapping: &Value) -> BTreeSet<String> {
    let keys = mapping.as_mapping().unwrap().keys();
    keys.map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// The steps of all examples that use the action.
fn examples() -> Vec<Value> {
    let blocks = blocks_of(PAGE)
        .into_iter()
        .filter(|it| it.language == "yaml");
    let steps = blocks.flat_map(|block| {
        let parsed: Value = serde_yaml_ng::from_str(&block.text).unwrap();
        let steps = parsed
            .as_sequence()
            .or_else(|| parsed["jobs"]["sync"]["steps"].as_sequence());
        steps.unwrap().clone()
    });
    let used = |step: &Value| {
        let used = step["uses"].as_str().unwrap_or_default();
        used.starts_with("OWNER/image-sync@")
    };
    steps.filter(used).collect()
}

#[test]
fn each_input_and_output_is_told_of() {
    assert_eq!(names_in("Inputs"), keys(&action()["inputs"]));
    assert_eq!(names_in("Outputs"), keys(&action()["outputs"]));
    let version = format!("OWNER/image-sync@v{}", env!("CARGO_PKG_VERSION"));
    for step in examples() {
        assert_eq!(step["uses"], version.as_str());
    }
}

#[tokio::test]
async fn the_examples_copy_images() {
    for (at, step) in examples().iter().enumerate() {
        let registries = Registries::start().await;
        let (source, target) = (registries.source.host(), registries.target.host());
        let filled_in = |value: &Value| {
            value
                .as_str()
                .unwrap()
                .replace("registry.cn-beijing.aliyuncs.com", target)
                .replace("registry.example.com", target)
                .replace("${{ vars.REGISTRY_USER }}", "robot")
                .replace("${{ secrets.REGISTRY_PASSWORD }}", PASSWORD)
                .replace("${{ secrets.ALIYUN_USER }}", "robot")
                .replace("${{ secrets.ALIYUN_PASSWORD }}", PASSWORD)
        };
        let mut runner = Runner::new();
        for (name, value) in step["with"].as_mapping().unwrap() {
            runner = runner.input(name.as_str().unwrap(), &filled_in(value));
        }
        for (name, value) in step["env"].as_mapping().into_iter().flatten() {
            runner = runner.env(name.as_str().unwrap(), &filled_in(value));
        }
        if step["with"].get("registry").is_none() && step["with"].get("auth").is_none() {
            registries
                .target
                .set_auth(image_sync_testkit::fake_registry::Auth::Open);
        }
        runner.write("workspace/config.yaml", &registries.config());
        runner.write(
            "workspace/images.yaml",
            &format!("{source}/team/app:1.0: {target}/app\n"),
        );
        runner.write("workspace/images.txt", &format!("{source}/team/app:1.0\n"));
        let outcome = runner.run().await;
        assert_eq!(outcome.code, 0, "example {at}: {outcome:#?}");
        let repositories = registries.target.repositories();
        let copied = repositories
            .iter()
            .find(|name| name.ends_with("app"))
            .unwrap();
        let digest = registries.target.digest(copied, "1.0");
        assert_eq!(digest.as_ref(), Some(image("app").digest()), "example {at}");
    }
}
