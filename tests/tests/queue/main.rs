//! The roles as processes, over a real nats-server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod aggregators;
mod bad_input;
mod bulk;
mod clocks;
mod clusters;
mod dead_letters;
mod enqueue;
mod full_disks;
mod hostile;
mod hosts;
mod permissions;
mod probes;
mod provisioning;
mod registries;
mod runs;
mod servers;
mod stopping;
mod support;
mod tag_rules;
mod traces;
mod why;
mod workers;
