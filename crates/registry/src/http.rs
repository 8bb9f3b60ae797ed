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
mod setup_error;
mod timeouts;
pub(crate) mod tls;
pub(crate) mod transport;
pub(crate) mod url;

pub(crate) use error::Trouble;
pub use setup_error::SetupError;
pub use timeouts::Timeouts;
