//! The queues behind the ports of `image_sync_shared::ports`, and the memo that a single process keeps in a file.

pub mod in_process;
pub mod jetstream;
pub mod memo_file;
pub mod memory_memo;
pub mod message;

mod facts;
mod known_pauses;
mod length;
mod lock;
mod ports;
mod smaller;
mod spool;

pub use length::{Fill, LaneLength, Length};
pub use ports::Ports;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
