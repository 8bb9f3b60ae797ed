//! What commands have in common: the config and the connection that they work with, how roles are wired to a queue, and
//! waiting for a run.

pub(crate) mod choice;
pub(crate) mod connection;
pub(crate) mod events;
pub(crate) mod pipeline;
pub(crate) mod published;
pub(crate) mod report_store;
pub(crate) mod runtime;
pub(crate) mod setup;
pub(crate) mod state;
pub(crate) mod waiting;
pub(crate) mod watch;
pub(crate) mod wiring;
