//! YAML (1.2.2) and JSON (RFC 8259) as nodes with their places, read once.
//!
//! A scalar stays the text that the file has until somebody asks for a number or a truth value, so that the tag `1.10`
//! is not the number 1.1. What variables of the environment stand for is filled in while it is read.

mod deserialize;
mod fill;
mod json;
mod keys;
mod node;
mod parse;

pub(crate) use fill::{Filled, Variables};
pub(crate) use keys::{Keys, all_keys, all_pairs};
pub(crate) use node::{Content, Key, Node, Scalar};

use crate::problem::{Place, Problem};
use fill::Filler;

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As JSON.
    Json,
    /// As JSON where it is that, else as YAML.
    Either,
}

/// What a text says.
#[derive(Debug)]
pub(crate) struct Document {
    /// None where it has nothing but comments.
    pub(crate) root: Option<Node>,
    /// Values whose variables cannot be filled in. They are empty texts in the nodes.
    pub(crate) problems: Vec<Problem>,
    /// What is accepted, but probably not meant.
    pub(crate) warnings: Vec<Problem>,
    /// The variables that were filled in.
    pub(crate) filled: Vec<Filled>,
}

/// The only document of `text`. Without `variables` a `$` is as any other letter.
pub(crate) fn parse(
    text: &str,
    form: Form,
    variables: Option<Variables<'_>>,
) -> Result<Document, Problem> {
    let mut filler = Filler::new(variables);
    let root = match form {
        Form::Json => json::parse(text, &mut filler)?,
        Form::Either => {
            let json = json::looks_so(text).then(|| json::parse(text, &mut filler));
            if let Some(Ok(root)) = json {
                root
            } else {
                // It may be YAML in its flow style.
                filler = Filler::new(variables);
                parse::parse(text, &mut filler)?
            }
        }
    };
    Ok(Document {
        root,
        problems: filler.problems,
        warnings: filler.warnings,
        filled: filler.filled,
    })
}

/// A text with its variables filled in, and which these were. An error is what cannot be filled in.
pub(crate) fn filled(
    text: &str,
    variables: Variables<'_>,
) -> Result<(String, Vec<Filled>), Problem> {
    let mut filler = Filler::new(Some(variables));
    let place = Place { line: 1, column: 1 };
    let content = filler.scalar(text, Content::Text, place);
    match (filler.problems.pop(), content) {
        (Some(problem), _) => Err(Problem::new(problem.text())),
        (None, Content::Plain(text) | Content::Text(text) | Content::Filled(text)) => {
            Ok((text.into(), filler.filled))
        }
        (None, _) => Ok((String::new(), filler.filled)),
    }
}

#[cfg(test)]
mod tests;
