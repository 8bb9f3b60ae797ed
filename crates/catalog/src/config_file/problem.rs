//! Something wrong at a place in a config.

use std::fmt;

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// What is wrong, and where: built at the innermost value, and given its steps on the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    text: String,
    innermost_first: Vec<Step>,
    related: Option<Vec<Step>>,
}

impl Problem {
    pub(super) fn new(text: impl fmt::Display) -> Self {
        Self {
            text: text.to_string(),
            innermost_first: Vec::new(),
            related: None,
        }
    }

    /// The problem with another place that it is about, given from the root on.
    pub(super) fn related_to(mut self, place: Vec<Step>) -> Self {
        self.related = Some(place);
        self
    }

    /// The problem, seen from the mapping that has the value as `key`.
    pub(super) fn key(mut self, key: &str) -> Self {
        self.innermost_first.push(Step::Key(key.to_owned()));
        self
    }

    /// The problem, seen from the list that has the value at `index`.
    pub(super) fn index(mut self, index: usize) -> Self {
        self.innermost_first.push(Step::Index(index));
        self
    }

    /// The steps from the root to the value.
    pub(super) fn place(&self) -> Vec<Step> {
        self.innermost_first.iter().rev().cloned().collect()
    }

    /// The other place that it is about.
    pub(super) fn related(&self) -> Option<&[Step]> {
        self.related.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.innermost_first.iter().rev().enumerate() {
            match step {
                Step::Key(key) if depth == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        if !self.innermost_first.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.text)
    }
}

/// `text`, unless it may hold a user name and password or a signed query, which an error must not repeat.
pub(crate) fn without_secrets(text: &str) -> Result<&str, Problem> {
    let location = match text.rsplit_once('@') {
        Some((before, after)) if after.starts_with("sha256:") || after.starts_with("sha512:") => {
            before
        }
        _ => text,
    };
    if location.contains(['@', '?']) && !text.starts_with("oci:") {
        return Err(Problem::new(
            "found an '@' or '?' where none belongs, expected user names and passwords under registries or in Docker's config",
        ));
    }
    Ok(text)
}
