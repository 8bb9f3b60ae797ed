//! The roles as processes, over a real nats-server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod aggregators;
mod bulk;
mod registries;
mod servers;
mod stopping;
mod support;
mod workers;
