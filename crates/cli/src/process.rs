//! What the process has of its system: environment, clock, signals, stdout and exit codes.

pub(crate) mod clock;
pub(crate) mod environment;
pub(crate) mod exit;
pub(crate) mod file_stamp;
pub(crate) mod shutdown;
pub(crate) mod stdout;
