//! Registries over HTTP, against the fake registry.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod anonymous;
mod certificates;
mod challenges;
mod connections;
mod credentials;
mod docker_registry;
mod failures;
mod heads;
mod helpers;
mod informational;
mod limits;
mod manifests;
mod mirrors;
mod own_certificates;
mod proxies;
mod realms;
mod redirects;
mod schemes;
mod secrets;
mod support;
mod tags;
mod tokens;
