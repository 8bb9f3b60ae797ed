//! Registries over HTTP, against the fake registry.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod certificates;
mod challenges;
mod client_certificates;
mod credentials;
mod failures;
mod helpers;
mod limits;
mod manifests;
mod mirrors;
mod realms;
mod redirects;
mod schemes;
mod secrets;
mod support;
mod tags;
mod tokens;
