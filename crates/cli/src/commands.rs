//! The commands, one file each: what is asked for, and the roles that do it.

pub(crate) mod aggregator;
pub(crate) mod config;
pub(crate) mod dead_letters;
pub(crate) mod enqueue;
pub(crate) mod hosts;
pub(crate) mod producer;
pub(crate) mod provision;
pub(crate) mod runs;
pub(crate) mod sync;
pub(crate) mod webhook;
pub(crate) mod worker;

#[cfg(test)]
mod tests;
