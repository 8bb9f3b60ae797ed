//! What is wrong with a config file.

use std::fmt;

use super::excerpt::excerpt;
use crate::document::Filled;
use crate::problem::{Place, Problem, Problems};

/// Shorter values of variables are no secrets, and stand in any message.
const SHORTEST_SECRET: usize = 4;

/// A file, for messages about it.
pub(super) struct Source {
    /// As messages call it.
    pub(super) name: String,
    text: String,
    /// The variables that stand in it.
    pub(super) filled: Vec<Filled>,
    /// Whether it is written for another tool.
    pub(super) is_foreign: bool,
}

impl Source {
    pub(super) fn new(name: String, text: String) -> Self {
        Self {
            name,
            text,
            filled: Vec::new(),
            is_foreign: false,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A file that could not be read.
    pub(super) fn without_text(name: String) -> Self {
        Self::new(name, String::new())
    }
}

/// Why a file is no config. Displays as one line for each problem, in the order of the files, up to 20 of them:
/// `FILE:LINE:COLUMN: PLACE: what was found, what was expected`, as far as there is a line and a place, and below it the line
/// of the file with a mark where it is wrong, unless that line may hold a secret. It never repeats a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// These problems of the files.
    pub(super) fn new(problems: Problems, sources: &[Source]) -> Self {
        let (problems, untold) = problems.into_parts();
        let mut told = problems.iter().map(|problem| {
            let source = sources.get(usize::from(problem.file()));
            let excerpt =
                source.and_then(|source| excerpt(&source.text, source.is_foreign, problem));
            let excerpt = excerpt.map_or_else(String::new, |excerpt| format!("\n{excerpt}"));
            format!("{}{excerpt}", shown(problem, sources))
        });
        let mut told: Vec<String> = told.by_ref().collect();
        if untold > 0 {
            let first = sources.first().map_or("", |source| &source.name);
            told.push(format!("{first}: and {untold} more"));
        }
        Self(told.join("\n"))
    }
}

/// A problem in one line.
pub(super) fn shown(problem: &Problem, sources: &[Source]) -> String {
    let source = sources.get(usize::from(problem.file()));
    let name = source.map_or("", |source| &source.name);
    let place = problem.place().map_or_else(String::new, |place| {
        let Place { line, column } = place;
        format!(":{line}:{column}")
    });
    let secrets = sources.iter().flat_map(|source| &source.filled);
    let secrets =
        secrets.filter(|filled| filled.is_secret && filled.value.len() >= SHORTEST_SECRET);
    let text = secrets.fold(problem.to_string(), |text, secret| {
        let Filled { name, value, .. } = secret;
        let quoted = format!("{value:?}");
        let hidden = text.replace(quoted.trim_matches('"'), &format!("${{{name}}}"));
        hidden.replace(value.as_str(), &format!("${{{name}}}"))
    });
    let text: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    format!("{name}{place}: {text}")
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}
