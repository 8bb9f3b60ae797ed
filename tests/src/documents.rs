//! The blocks of code in the documents of the repository.

use std::fs;
use std::path::Path;

/// A block between fences.
#[derive(Clone, Debug)]
pub struct Block {
    /// The heading of its section.
    pub section: String,
    /// What stands behind the fence, as `sh`.
    pub language: String,
    /// What stands between the fences.
    pub text: String,
}

impl Block {
    /// The commands of a block of `sh`, without comments behind them: a line each, or several where a line ends with a
    /// backslash or within quotes.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        let mut command = String::new();
        for line in self.text.lines() {
            let line = line.split("  #").next().unwrap_or(line).trim_end();
            command += line;
            let goes_on = line.ends_with('\\') || command.matches('\'').count() % 2 == 1;
            if goes_on {
                command.push('\n');
            } else if !command.is_empty() && !command.starts_with('#') {
                commands.push(std::mem::take(&mut command));
            } else {
                command.clear();
            }
        }
        commands
    }
}

/// The blocks of a document of the repository, from its top to its end.
///
/// # Panics
/// If it cannot be read, or has a block without an end.
#[must_use]
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn blocks_of(path: &str) -> Vec<Block> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut blocks = Vec::new();
    let mut section = String::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
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
