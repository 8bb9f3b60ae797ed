//! Runs: their claim on a catalog, their states, their log and their report.

pub(crate) mod reports;
pub(crate) mod run_control;
pub(crate) mod run_log;
pub(crate) mod run_states;
