//! Probes, metrics, traces and log lines of roles.

mod probes;
mod traces;
