//! What is JetStream's own: connecting, provisioning, permissions, and servers that go away.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod clocks;
mod connecting;
mod following;
mod jobs;
mod large;
mod lost_answers;
mod pauses;
mod permissions;
mod provisioning;
mod report_store;
mod restarts;
#[path = "../contract/samples.rs"]
mod samples;
mod sizes;
mod stored_reports;
mod support;
mod unreadable;
mod waiting;
