//! Runs the program as a user does: a config file, a process, a report, an exit code.

mod catalog;
mod program;

pub use catalog::{Catalog, Entry};
pub use program::{Ended, Program};
