//! Fuzz targets: what their bodies share, and a small fuzzer that runs them as tests.
//!
//! The body of a target is a function of bytes in the crate whose private functions it calls, in its module `fuzzing`. It
//! asserts what must hold for every input. `fuzz/` hands it to libFuzzer, and [`run_seeds`] to a test, with the same corpus.

mod checks;
mod input;
mod mutate;
mod seeds;

pub use checks::{MAX_TEXT_BYTES, assert_presentable};
pub use input::{first_lines, text};
pub use mutate::Random;
pub use seeds::run_seeds;
