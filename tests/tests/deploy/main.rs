//! What stands in compose.yaml, deploy/ and action.yml: every command of it runs as it is written there, and every name in
//! it is one that the program has.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod action;
mod airgap;
mod compose;
mod files;
mod installing;
mod kubernetes;
mod nix;
mod operations;
mod prometheus;
mod workflows;
