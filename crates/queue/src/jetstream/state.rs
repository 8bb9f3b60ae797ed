//! What the installation knows beside its jobs: leases, runs and their logs, host pauses, facts, dead letters and reports.

mod bucket;
mod dead_letters;
pub(super) mod host_pauses;
mod leases;
mod memo;
mod reports;
mod run_control;
mod run_log;
mod run_states;
pub(super) mod watch;

pub(super) use dead_letters::JetStreamDeadLetters;
pub(super) use host_pauses::JetStreamHostPauses;
pub(super) use leases::JetStreamLeases;
pub(super) use memo::JetStreamMemos;
pub use reports::{History, JetStreamReports};
pub(super) use run_control::{CANCEL, CancelledRuns, JetStreamRunControl};
pub(super) use run_log::JetStreamRunLog;
pub(super) use run_states::JetStreamRunStates;
pub(super) use watch::KeyChange;
