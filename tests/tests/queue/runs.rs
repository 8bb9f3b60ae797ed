//! Runs: that they overlap, are cancelled and come to their report, whatever registries do meanwhile.

mod chains;
mod lifecycle;
mod only_failed;
mod overwriting;
mod rate_limits;
mod same_report;
mod tag_rules;
mod targets;
