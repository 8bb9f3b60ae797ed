//! Ports over plain memory, which let a test see what was done, and make it fail.

mod letters;
mod run_ports;

pub use letters::FakeLetters;
pub use run_ports::{FakeControl, FakeLog, FakeQueue};
