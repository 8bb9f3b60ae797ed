//! Blobs and images on their way between registries and folders, through the port.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod docker_registry;
mod large;
mod layout;
mod pull;
mod push;
mod shared;
mod shared_manifests;
mod support;
