//! The examples in the docs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::config_file::Parsed;
use crate::config_file::tests::load;

/// The blocks of YAML in a file of the repository.
fn examples(file: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join(file)).unwrap();
    let blocks = text.split("\n```yaml\n").skip(1);
    let blocks = blocks.map(|block| block.split("\n```").next().unwrap());
    blocks.map(|block| format!("{block}\n")).collect()
}

/// An example as a config, with what it leaves out.
fn whole(example: &str) -> String {
    let mut text = example.to_owned();
    for (key, value) in [("cache_registry", "localhost:5000"), ("images", "[]")] {
        if !text.lines().any(|line| line.starts_with(key)) {
            writeln!(text, "{key}: {value}").unwrap();
        }
    }
    text
}

#[test]
fn each_example_in_the_docs_is_a_config() {
    let folder = tempfile::tempdir().unwrap();
    let team = folder.path().join("teams/web.yaml");
    fs::create_dir(team.parent().unwrap()).unwrap();
    fs::write(team, "images: [{source: a, tag: t}]").unwrap();
    fs::write(folder.path().join("rancher-images.txt"), "a:t").unwrap();
    let file = folder.path().join("c.yaml");
    let set = |name: &str| (name == "CACHE_REGISTRY").then(|| "registry.example".to_owned());
    for (docs, least) in [("docs/config.md", 5), ("README.md", 1)] {
        let examples = examples(docs);
        assert!(examples.len() >= least, "{docs}: {}", examples.len());
        for example in examples {
            fs::write(&file, whole(&example)).unwrap();
            let told = load(&file, &set).map_err(|error| format!("{docs}:\n{example}\n{error}"));
            let Parsed { warnings, .. } = told.unwrap();
            let expected = |warning: &String| {
                warning.ends_with("there are no images, so that nothing is copied")
            };
            assert!(warnings.iter().all(expected), "{docs}: {warnings:?}");
        }
    }
}
