//! The commands, one file each: what is asked for, and in `roles` those that do it.

pub(crate) mod archive;
pub(crate) mod config;
pub(crate) mod dead_letters;
pub(crate) mod enqueue;
pub(crate) mod hosts;
pub(crate) mod provision;
pub(crate) mod roles;
pub(crate) mod runs;
pub(crate) mod sync;
pub(crate) mod workers;

#[cfg(test)]
mod tests;
