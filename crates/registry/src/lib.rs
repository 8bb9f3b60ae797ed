//! Registries over HTTP, OCI image layout folders and credentials.
//!
//! Each room uses those below it alone: `router` tells registries and folders apart; `distribution` has the operations of the
//! distribution API; `client` sends their requests, to the right server and not too many at once; `auth` gets tokens for
//! them, and `credentials` passwords for those; `http` has connections, redirects and what answers mean. `layout` stands beside
//! `client`, and `single_flight` serves all above `http`.

mod auth;
mod client;
mod credentials;
mod distribution;
mod http;
mod layout;
mod router;
mod single_flight;

pub use crate::client::{ClientOptions, FixedLimits};
pub use crate::credentials::{CredentialEnv, LookUp};
pub use crate::http::proxy::ProxyEnv;
pub use crate::http::{SetupError, Timeouts};
pub use crate::layout::{Archive, ArchiveError, ArchiveState};
pub use crate::router::Router;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
