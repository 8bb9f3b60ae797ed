//! The words of image-sync and its ports to the outside.
//!
//! Nothing here opens a socket or a file, reads a clock or the environment, or knows NATS or HTTP.

pub mod config;
pub mod digest;
pub mod failure;
pub mod job;
pub mod lock;
pub mod mac;
pub mod manifest;
pub mod media_type;
pub mod nearest;
pub mod outcome;
pub mod panics;
pub mod platform;
pub mod ports;
pub mod reference;
pub mod report;
pub mod retry;
pub mod run;
pub mod secret;
pub mod size;
pub mod text;

#[cfg(test)]
mod samples;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
