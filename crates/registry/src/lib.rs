//! Registries over HTTP, OCI image layout folders and credentials.

mod auth;
mod client;
mod credentials;
mod distribution;
mod http;
mod layout;
mod router;
mod single_flight;

pub use crate::client::ClientOptions;
pub use crate::credentials::{CredentialEnv, LookUp};
pub use crate::http::proxy::ProxyEnv;
pub use crate::http::{SetupError, Timeouts};
pub use crate::router::Router;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
