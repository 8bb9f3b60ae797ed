//! What is kept of runs.

pub mod reports;
pub mod run_control;
pub mod run_log;
pub mod run_states;
