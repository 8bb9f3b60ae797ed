//! What those who operate the program see: logs, metrics and traces.

pub(crate) mod logging;
pub(crate) mod metrics;
pub(crate) mod traces;
