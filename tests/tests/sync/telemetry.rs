//! Probes, metrics and traces of a run.

mod probes;
mod traces;
