//! Registries over HTTP, OCI image layout folders and credentials.

mod auth;
mod client;
mod credentials;
mod http_registry;
mod layout;
mod router;
mod single_flight;
mod transfer;
mod uploads;

pub use client::{ClientOptions, SetupError, Timeouts};
pub use credentials::{CredentialEnv, LookUp};
pub use router::Router;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
