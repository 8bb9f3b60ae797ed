//! Blobs and images on their way between registries and folders, through the port.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod cancelled;
mod chunks;
mod docker_registry;
mod folders;
mod large;
mod lost_answers;
mod mounts;
mod raw_source;
mod skopeo;
mod sources;
mod support;
mod targets;
