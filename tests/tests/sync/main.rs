//! `image-sync sync` as a process, against fake and real registries.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod aliyun;
mod artifacts;
mod copies;
mod expansion;
mod faults;
mod real_servers;
mod seed;
mod signals;
mod support;
mod telemetry;
mod watch;
