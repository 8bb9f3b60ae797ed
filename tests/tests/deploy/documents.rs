//! The files of the repository, and the blocks of code in its documents.

use std::fs;
use std::path::PathBuf;

/// The folder of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The text of a file of the repository.
pub(crate) fn text_of(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A block between fences.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The heading of its section.
    pub(crate) section: String,
    /// What stands behind the fence, as `sh`.
    pub(crate) language: String,
    /// What stands between the fences.
    pub(crate) text: String,
}

/// The blocks of a document, from its top to its end.
pub(crate) fn blocks_of(path: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut section = String::new();
    let mut open: Option<Block> = None;
    for line in text_of(path).lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => {
                open = Some(Block {
                    section: section.clone(),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {
                if let Some(heading) = line.strip_prefix('#') {
                    heading
                        .trim_start_matches('#')
                        .trim()
                        .clone_into(&mut section);
                }
            }
        }
    }
    assert!(open.is_none(), "{path} has a block without an end");
    blocks
}
