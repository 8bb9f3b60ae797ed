//! The queues behind the ports of `image_sync_shared::ports`, and the memo that a single process keeps in a file.

pub mod in_process;
pub mod jetstream;
pub mod memo;

mod known_pauses;
mod messages;
mod ports;

pub use ports::Ports;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
