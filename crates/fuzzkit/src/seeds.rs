//! Running a target over its corpus.

use std::panic::{RefUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::mutate::{Random, mutate};

/// Mutations of the corpus that a test tries.
const MUTATIONS: usize = 2000;
/// How much of an input is shown.
const SHOWN_BYTES: usize = 4096;

/// Runs the body of `target` over its corpus in `fuzz/corpus`, and over some thousand mutations, the same ones every time.
/// What it fails for is told on stderr.
///
/// # Errors
/// If the corpus cannot be read, or is empty.
pub fn run_seeds(target: &str, body: impl Fn(&[u8]) + RefUnwindSafe) -> io::Result<()> {
    let seeds = corpus(target)?;
    let mut random = Random::new(0x5eed);
    let mutations = (0..MUTATIONS).map(|_| mutate(&seeds, &mut random));
    for input in seeds.iter().cloned().chain(mutations) {
        if let Err(panic) = catch_unwind(|| body(&input)) {
            let shown = input[..SHOWN_BYTES.min(input.len())].escape_ascii();
            tell(&format!(
                "{target} fails for {} bytes: {shown}",
                input.len()
            ));
            resume_unwind(panic);
        }
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "what a test says when it fails")]
fn tell(text: &str) {
    eprintln!("{text}");
}

/// The inputs of a corpus, in the order of their names.
fn corpus(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let entries = fs::read_dir(folder.join(target))?;
    let files: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut files = files?;
    files.sort();
    if files.is_empty() {
        return Err(io::Error::other(format!("no seeds of {target}")));
    }
    files.iter().map(fs::read).collect()
}
