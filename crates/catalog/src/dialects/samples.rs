//! Files of other tools for the tests of their dialects.

use std::fs;

use image_sync_shared::run::job::Overwrite;
use time::OffsetDateTime;

use crate::config_file::{ConfigError, Converted, DialectOptions, Input, Parsed, convert, load};
use crate::identity::config_hash;

/// The config in `text`, in a file of this name.
pub(super) fn with(
    text: &str,
    name: &str,
    dialect: &DialectOptions,
) -> Result<Parsed, ConfigError> {
    with_variables(text, name, dialect, &[])
}

/// The same, where these variables are set.
pub(super) fn with_variables(
    text: &str,
    name: &str,
    dialect: &DialectOptions,
    variables: &[(&str, &str)],
) -> Result<Parsed, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, text).unwrap();
    let look_up = |wanted: &str| {
        let found = variables.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| (*value).to_owned())
    };
    let input = Input {
        variables: &look_up,
        dialect,
        stdin: None,
    };
    load(&file, input)
}

/// What the file is in this program's own form, and whether nothing of weight was left out. It yields the same images.
pub(super) fn converted(
    text: &str,
    name: &str,
    dialect: &DialectOptions,
    variables: &[(&str, &str)],
) -> (String, bool) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, text).unwrap();
    let Converted { text, is_complete } = convert(&file, dialect).unwrap();
    let of_file = with_variables(
        &fs::read_to_string(&file).unwrap(),
        name,
        dialect,
        variables,
    );
    let own = folder.path().join("own.yaml");
    fs::write(&own, &text).unwrap();
    let look_up = |wanted: &str| {
        let found = variables.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| (*value).to_owned())
    };
    let input = Input {
        variables: &look_up,
        dialect: &DialectOptions::default(),
        stdin: None,
    };
    let of_text = load(&own, input).unwrap_or_else(|error| panic!("{error} in\n{text}"));
    let known_by = |parsed: &Parsed| config_hash(&parsed.images);
    let of_file = of_file.unwrap();
    assert_eq!(images(&of_text), images(&of_file), "{text}");
    assert_eq!(known_by(&of_text), known_by(&of_file), "{text}");
    (text, is_complete)
}

/// What is wrong, with the bare names of files.
pub(super) fn error(text: &str, name: &str, dialect: &DialectOptions) -> String {
    bare(&with(text, name, dialect).unwrap_err().to_string(), name)
}

/// The images that are named: `SOURCE -> TARGET PLATFORMS OVERWRITE`.
pub(super) fn images(parsed: &Parsed) -> Vec<String> {
    let images = parsed.images.iter();
    let told = images.map(|image| {
        let overwrite = match image.policy.overwrite {
            Overwrite::Always => "",
            Overwrite::Never => " never",
            Overwrite::Error => " error",
        };
        let name = if image.image.contains('@') {
            image.image.clone()
        } else {
            format!("{}:{}", image.image, image.reference)
        };
        format!(
            "{name} -> {} {}{overwrite}",
            image.target_name(),
            image.platforms
        )
    });
    told.collect()
}

/// The rules of the config: `SOURCE -> TARGET: TAGS`, those that they choose of `tags`.
pub(super) fn choices(parsed: &Parsed, tags: &[&str]) -> Vec<String> {
    let told = parsed.images.said().filter_map(|said| {
        let rules = said.rules?;
        let candidates = rules.candidates(tags.iter().copied());
        let chosen = rules.choose(candidates, OffsetDateTime::UNIX_EPOCH);
        let source = match said.namespace {
            Some(namespace) => namespace.to_string(),
            None => said.image.image,
        };
        Some(format!(
            "{source} -> {}: {}",
            said.image.target,
            chosen.join(" ")
        ))
    });
    told.collect()
}

/// What is warned of, with the bare names of files.
pub(super) fn warnings(parsed: &Parsed) -> Vec<String> {
    let warnings = parsed.warnings.iter();
    warnings.map(|warning| bare(warning, "c.yaml")).collect()
}

fn bare(text: &str, name: &str) -> String {
    let lines = text
        .lines()
        .map(|line| match line.find(&format!("/{name}")) {
            Some(at) if line.starts_with('/') => &line[at + 1..],
            _ => line,
        });
    lines.collect::<Vec<_>>().join("\n")
}
