mod broken;
mod keys;
mod referrers;
mod registries;
mod shapes;
mod templates;

use std::collections::BTreeSet;

use super::super::samples::with_variables;
use crate::config_file::{DialectOptions, Parsed};

const DIGEST: &str = "sha256:31a54a0cf86d7354788a8265f60ae6acb4b348a67efbcf7c1007dd3cf7af05ab";

/// The config in `text`, where these variables are set.
fn read(text: &str, variables: &[(&str, &str)]) -> Parsed {
    let parsed = with_variables(text, "c.yaml", &DialectOptions::default(), variables);
    parsed.unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

/// What is wrong with the config in `text`, with the bare name of its file.
fn error(text: &str, variables: &[(&str, &str)]) -> String {
    let read = with_variables(text, "c.yaml", &DialectOptions::default(), variables);
    let told = read.unwrap_err().to_string();
    let lines = told.lines().map(|line| match line.find("/c.yaml") {
        Some(at) if line.starts_with('/') => &line[at + 1..],
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the tags of `source` go that rules choose among `tags`: `TAG -> TARGET PLATFORMS`.
fn chosen(parsed: &Parsed, source: &str, tags: &str) -> Vec<String> {
    let source = source.parse().unwrap();
    let tags = tags.split(' ');
    let found = tags.flat_map(|tag| {
        let images = parsed.images.may_be_chosen(&source, tag);
        let told = images.map(|image| {
            let (target, platforms) = (image.target_name(), &image.platforms);
            format!("{tag} -> {target} {platforms}")
        });
        told.collect::<BTreeSet<_>>()
    });
    found.collect()
}
