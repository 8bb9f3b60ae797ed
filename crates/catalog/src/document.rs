//! YAML (1.2.2) as nodes with their places, read once.
//!
//! A scalar stays the text that the file has until somebody asks for a number or a truth value, so that the tag `1.10`
//! is not the number 1.1. JSON is YAML too.

mod deserialize;
mod keys;
mod node;
mod parse;

pub(crate) use keys::{Keys, all_keys};
pub(crate) use node::Node;
pub(crate) use parse::parse;

#[cfg(test)]
mod tests;
