//! A page of the documents, whose commands are taken out of it one by one.

use image_sync_tests::{Block, blocks_of};

/// The blocks of `sh` of a page.
pub(crate) struct Page {
    name: &'static str,
    blocks: Vec<Block>,
}

impl Page {
    pub(crate) fn open(name: &'static str) -> Self {
        let mut blocks = blocks_of(name);
        blocks.retain(|block| block.language == "sh");
        Self { name, blocks }
    }

    /// The commands of the blocks of a section, of which there must be so many.
    pub(crate) fn commands<const N: usize>(&self, section: &str) -> [String; N] {
        let blocks = self.blocks.iter().filter(|it| it.section == section);
        let commands: Vec<String> = blocks.flat_map(Block::commands).collect();
        let told = format!("{}, {section}: {commands:#?}", self.name);
        commands
            .try_into()
            .unwrap_or_else(|_| panic!("{N} commands: {told}"))
    }
}
