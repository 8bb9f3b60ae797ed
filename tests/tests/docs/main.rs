//! Every command of README.md and docs/ is carried out as it is written there, or is at least one that the program takes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod all_blocks;
mod commands;
mod config;
mod events;
mod page;
mod queue;
mod readme;
mod sandbox;
mod switching;
mod table;
