//! `image-sync sync` as a process, against fake and real registries.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod bytes_and_order;
mod failing_images;
mod faults_of_content;
mod faults_of_credentials;
mod faults_of_sources;
mod faults_of_targets;
mod floor_of_requests;
mod full_disks;
mod platforms;
mod probes;
mod real_servers;
mod seed;
mod signals;
mod tag_rules;
mod traces;
mod world;
