//! The roles of the pipeline, each a process that goes on: what is asked for in `commands` is done by these.

pub(crate) mod aggregator;
mod presence;
pub(crate) mod producer;
pub(crate) mod webhook;
pub(crate) mod worker;
