//! Memos: facts that never change, as what was proven of them, so that a settled image costs fewer requests.
//!
//! Here are the one that ends with its process and the one of a file; the one that workers share is of the `JetStream` queue.

mod facts;
mod file;
mod memory;

pub(crate) use facts::Proven;
pub use file::MemoFile;
pub use memory::{DEFAULT_CAPACITY, MemoryMemo};
