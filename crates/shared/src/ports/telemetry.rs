//! What goes on, for who watches it.

pub mod measures;
pub mod progress;
pub mod trace_context;
