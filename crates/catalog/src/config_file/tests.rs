//! What configs mean, and what is said about bad ones.

mod defaults;
mod docs;
mod files;
mod json;
mod many;
mod meaning;
mod referrers;
mod refusals;
mod registries;
mod spellings;
mod targets;
mod variables;

use std::io::Read;
use std::path::Path;

use super::{ConfigError, DialectOptions, Input, Parsed};
use crate::document::Variables;

fn load(path: &Path, variables: Variables<'_>) -> Result<Parsed, ConfigError> {
    let dialect = &DialectOptions::default();
    let input = Input {
        variables,
        dialect,
        stdin: None,
    };
    super::load(path, input)
}

fn load_with_list(
    path: &Path,
    stdin: &mut dyn Read,
    variables: Variables<'_>,
) -> Result<Parsed, ConfigError> {
    let dialect = &DialectOptions::default();
    let input = Input {
        variables,
        dialect,
        stdin: Some(stdin),
    };
    super::load(path, input)
}

fn load_stdin(input: &mut dyn Read, variables: Variables<'_>) -> Result<Parsed, ConfigError> {
    super::load_stdin(input, &DialectOptions::default(), variables)
}
