//! HTTP as registries speak it: one request, sent over a connection of ours, with its redirects followed. Nothing here knows of
//! tokens, repositories or retries.
//!
//! From the bottom up: `url`, `authorization` and `error`; `redaction` hides secrets in what servers say; `network` decides which
//! addresses may be asked, `proxy` through what, `tls` whom to trust; `connection` makes and keeps connections of those;
//! `body` and `refusal` read answers; `transport` sends.

pub(crate) mod authorization;
pub(crate) mod body;
pub(crate) mod connection;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub(crate) mod network;
pub(crate) mod proxy;
pub(crate) mod redaction;
pub(crate) mod refusal;
pub(crate) mod tls;
pub(crate) mod transport;
pub(crate) mod url;

use std::time::Duration;

pub(crate) use error::RequestError;
pub use error::SetupError;

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
