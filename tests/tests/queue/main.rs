//! The roles as processes, over a real nats-server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod commands;
mod roles;
mod runs;
mod security;
mod servers;
mod support;
mod telemetry;
mod webhooks;
