//! What sets the installations on one server apart.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

const MAX_LENGTH: usize = 32;

/// The first part of the names of all streams, buckets and subjects of one installation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(String);

/// Why a text is no [`Prefix`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not a valid prefix: expected 1 to {MAX_LENGTH} small letters, digits and '-', as in \"imgsync\""
)]
pub struct InvalidPrefix(String);

impl Prefix {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Prefix {
    /// `imgsync`.
    fn default() -> Self {
        Self("imgsync".to_owned())
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    /// Small letters only: names of streams are written in capitals, and two installations must not meet there.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > MAX_LENGTH || !text.chars().all(allowed) {
            return Err(InvalidPrefix(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_in_every_name_is_a_prefix() {
        for text in ["imgsync", "team-a", "7", &"x".repeat(32)] {
            assert_eq!(text.parse::<Prefix>().unwrap().as_str(), text);
        }
        for text in ["", "A", "a.b", "a_b", "a b", "*", "ü", &"x".repeat(33)] {
            let error = text.parse::<Prefix>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{text:?} is not a valid prefix")),
                "{error}"
            );
        }
    }
}
