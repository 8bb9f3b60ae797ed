//! What is wrong with a config file.

use std::fmt;

use super::locate::{Position, locate};
use super::problem::Problem;
use super::yaml_message;

/// Why a file is no config. Displays as one sentence: `FILE:LINE:COLUMN: PLACE: what was found, what was expected`, as
/// far as there is a line and a place. It never repeats a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    position: Option<Position>,
    text: String,
}

impl ConfigError {
    /// Something about the file as a whole.
    pub(super) fn whole(file: &str, text: String) -> Self {
        Self {
            file: file.to_owned(),
            position: None,
            text,
        }
    }

    /// What the YAML library says.
    pub(super) fn of_yaml(file: &str, text: &str, error: &serde_yaml_ng::Error) -> Self {
        let (position, text) = yaml_message::understand(text, error);
        Self {
            file: file.to_owned(),
            position,
            text,
        }
    }

    /// A problem in `text`.
    pub(super) fn of_problem(file: &str, text: &str, problem: &Problem) -> Self {
        let related = problem.related().and_then(|place| locate(text, place));
        let told = match related {
            Some(Position { line, .. }) => format!("{problem} (the other one is in line {line})"),
            None => problem.to_string(),
        };
        Self {
            file: file.to_owned(),
            position: locate(text, &problem.place()),
            text: told,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.text)
    }
}

impl std::error::Error for ConfigError {}
