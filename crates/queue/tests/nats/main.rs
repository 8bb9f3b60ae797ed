//! What is JetStream's own: connecting, provisioning, permissions, and servers that go away.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod client;
mod faults;
mod jobs;
mod provisioning;
#[path = "../contract/samples.rs"]
mod samples;
mod state;
mod stored_reports;
mod streams;
mod support;
mod waiting;
