//! Runs the program as a user does: a config file, a process, a report, an exit code.

mod catalog;
pub mod containers;
mod documents;
mod other_clock;
mod overwriting;
mod program;
mod running;
mod spans;
mod watched;

pub use catalog::{Catalog, Entry};
pub use documents::{Block, blocks_of};
pub use other_clock::OtherClock;
pub use overwriting::{assert_overwriting, overwriting};
pub use program::{Ended, Program};
pub use running::Running;
pub use spans::{named, only};
pub use watched::{Watched, ask};
