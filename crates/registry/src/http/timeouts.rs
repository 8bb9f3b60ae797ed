//! How long to wait for a registry.

use std::time::Duration;

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the head of an answer, once a request without a streamed body is sent.
    pub answer: Duration,
    /// For the next byte of a body, in either direction.
    pub stall: Duration,
    /// For a credential helper.
    pub helper: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            helper: Duration::from_secs(30),
        }
    }
}
