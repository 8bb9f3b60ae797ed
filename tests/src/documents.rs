//! The blocks of code in the documents of the repository.

use crate::files::text_of;

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
