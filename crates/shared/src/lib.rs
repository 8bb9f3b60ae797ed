//! The words of image-sync and its ports to the outside.
//!
//! Nothing here opens a socket or a file, reads a clock or the environment, or knows NATS or HTTP.

pub mod config;
pub mod failure;
pub mod image;
pub mod panics;
pub mod ports;
pub mod retry;
pub mod run;
pub mod secret;
pub mod text;

#[cfg(test)]
mod samples;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
