//! What is wrong with a config file.

use std::fmt;

use crate::problem::{Place, Problem, Problems};

/// Why a file is no config. Displays as one line for each problem, in the order of the file, up to 20 of them:
/// `FILE:LINE:COLUMN: PLACE: what was found, what was expected`, as far as there is a line and a place. It never repeats a
/// password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    problems: Vec<Problem>,
    /// How many problems there are beyond those.
    untold: usize,
}

impl ConfigError {
    /// These problems of `file`.
    pub(super) fn new(file: &str, problems: Problems) -> Self {
        let (problems, untold) = problems.into_parts();
        Self {
            file: file.to_owned(),
            problems,
            untold,
        }
    }

    /// Something about the file as a whole.
    pub(super) fn whole(file: &str, text: String) -> Self {
        Self::new(file, Problem::new(text).into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            if let Some(Place { line, column }) = problem.place() {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {problem}")?;
        }
        if self.untold > 0 {
            let (file, more) = (&self.file, self.untold);
            write!(f, "\n{file}: and {more} more")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
