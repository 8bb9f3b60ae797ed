//! The roles that meet at a NATS server, each a command of its own.

pub(crate) mod aggregator;
pub(crate) mod connection;
pub(crate) mod dead_letters;
pub(crate) mod enqueue;
pub(crate) mod hosts;
pub(crate) mod producer;
pub(crate) mod provision;
pub(crate) mod published;
mod report_store;
pub(crate) mod runs;
pub(crate) mod runtime;
pub(crate) mod waiting;
pub(crate) mod why;
pub(crate) mod worker;
