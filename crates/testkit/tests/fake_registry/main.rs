//! The fake registry as its clients see it, byte by byte.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod auth;
mod client;
mod content;
mod faults;
mod http2;
mod records;
mod referrers;
mod skopeo;
mod uploads;
