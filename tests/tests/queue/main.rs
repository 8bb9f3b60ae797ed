//! The roles as processes, over a real nats-server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod bulk;
mod support;
mod workers;
