//! The roles that meet at a NATS server, each a command of its own.

pub(crate) mod connection;
pub(crate) mod provision;
pub(crate) mod runtime;
