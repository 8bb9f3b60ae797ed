//! The key `include`: other files with images.

use crate::document::Node;
use crate::problem::{Place, Problem, Problems};

const EXPECTED: &str = "a list of files as in teams/*.yaml";

/// A file, or a pattern for files, that a file includes.
#[derive(Clone, Debug)]
pub(crate) struct Include {
    pub(crate) pattern: String,
    /// Its number, where there is a list.
    index: Option<usize>,
    place: Place,
}

impl Include {
    /// A problem with it, in the file of this number.
    pub(crate) fn problem(&self, text: &str, file: u16) -> Problem {
        let problem = Problem::new(text).at(self.place).in_file(file);
        let problem = match self.index {
            Some(index) => problem.index(index),
            None => problem,
        };
        problem.key("include")
    }
}

/// One, or a list of them.
pub(super) fn read(node: &Node) -> Result<Vec<Include>, Problems> {
    let one = |node: &Node, index| match node.text() {
        Some("") => Err(
            Problem::new(format!("found an empty text, expected {EXPECTED}")).at(node.locate(&[])),
        ),
        Some(text) => Ok(Include {
            pattern: text.to_owned(),
            index,
            place: node.locate(&[]),
        }),
        None => Err(node.mismatch(EXPECTED)),
    };
    let Ok(items) = node.items() else {
        return Ok(vec![one(node, None)?]);
    };
    let mut includes = Vec::with_capacity(items.len());
    let mut problems = Problems::default();
    for (index, item) in items.iter().enumerate() {
        match one(item, Some(index)) {
            Ok(include) => includes.push(include),
            Err(problem) => problems.push(problem.index(index)),
        }
    }
    if problems.is_empty() {
        Ok(includes)
    } else {
        Err(problems)
    }
}
