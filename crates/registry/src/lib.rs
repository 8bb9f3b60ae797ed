//! Registries over HTTP, OCI image layout folders and credentials.

mod auth;
mod client;
mod credentials;
mod http_registry;
mod layout;

pub use client::{ClientOptions, SetupError, Timeouts};
pub use credentials::CredentialEnv;
