//! Registries over HTTP, against the fake registry.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod authorization;
mod client;
mod distribution;
mod docker_registry;
mod support;
mod transport;
