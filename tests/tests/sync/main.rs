//! `image-sync sync` as a process, against fake and real registries.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod copies;
mod creation_times;
mod faults;
mod listings;
mod real_servers;
mod repositories;
mod seed;
mod signals;
mod support;
mod tag_rules;
mod telemetry;
