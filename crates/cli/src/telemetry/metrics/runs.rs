//! What is counted while reports are made.

use std::sync::atomic::Ordering;

use image_sync_shared::ports::telemetry::measures::Measures;
use image_sync_shared::run::Trigger;
use image_sync_shared::run::report::RunStatus;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use time::OffsetDateTime;

use super::labels::{RunLabels, STATUSES, StatusLabel, run, run_status};

/// The metrics of an aggregator.
#[derive(Debug)]
pub(crate) struct RunMetrics {
    open: Gauge,
    reported: Family<StatusLabel, Counter>,
    /// Absent until there is one.
    last: Family<RunLabels, Gauge>,
    folded: Counter,
    given_up: Counter,
}

impl RunMetrics {
    /// All of them at zero.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            open: Gauge::default(),
            reported: Family::default(),
            last: Family::default(),
            folded: Counter::default(),
            given_up: Counter::default(),
        };
        registry.register("runs_open", "Runs being followed", metrics.open.clone());
        registry.register(
            "runs",
            "Runs that ended and have their report, by how they ended",
            metrics.reported.clone(),
        );
        registry.register_with_unit(
            "last_run_timestamp",
            "When the last run ended, by what set it off and how it ended, whoever ended it",
            Unit::Seconds,
            metrics.last.clone(),
        );
        registry.register(
            "results_folded",
            "Results read from the logs of runs, again after a restart",
            metrics.folded.clone(),
        );
        registry.register(
            "poisoned_jobs",
            "Jobs given up as they were delivered too often",
            metrics.given_up.clone(),
        );
        for status in STATUSES {
            drop(metrics.reported.get_or_create(&run_status(status)));
        }
        metrics
    }
}

impl Measures for RunMetrics {
    fn run_taken_up(&self) {
        self.open.inc();
    }

    fn run_laid_down(&self) {
        self.open.dec();
    }

    fn run_reported(&self, status: RunStatus) {
        self.reported.get_or_create(&run_status(status)).inc();
    }

    fn run_ended(&self, trigger: Trigger, status: RunStatus, at: OffsetDateTime) {
        let last = self.last.get_or_create(&run(trigger, status));
        let at = at.unix_timestamp();
        last.inner().fetch_max(at, Ordering::Relaxed);
    }

    fn result_folded(&self) {
        self.folded.inc();
    }

    fn job_given_up(&self) {
        self.given_up.inc();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;

    use super::super::tests::has;
    use super::super::{Exposition, Metrics};
    use super::*;

    #[test]
    fn runs_are_counted_from_zero() {
        let mut metrics = Metrics::new();
        let runs = metrics.of_runs();
        has(&metrics, r#"image_sync_runs_total{status="abandoned"} 0"#);
        runs.run_taken_up();
        runs.run_taken_up();
        runs.run_laid_down();
        runs.run_reported(RunStatus::Complete);
        runs.result_folded();
        runs.job_given_up();
        has(&metrics, "image_sync_runs_open 1");
        has(&metrics, r#"image_sync_runs_total{status="complete"} 1"#);
        has(&metrics, "image_sync_results_folded_total 1");
        has(&metrics, "image_sync_poisoned_jobs_total 1");
    }

    #[test]
    fn the_end_of_the_last_run_is_told_by_trigger_and_status_in_whatever_order_runs_are_heard_of() {
        let mut metrics = Metrics::new();
        let runs = metrics.of_runs();
        let text = metrics.text(Exposition::OpenMetrics).unwrap();
        assert!(!text.contains("image_sync_last_run_timestamp_seconds{"));
        let noon = datetime!(2026-11-20 12:00 UTC);
        let complete = RunStatus::Complete;
        runs.run_ended(Trigger::Schedule, complete, noon);
        runs.run_ended(Trigger::Schedule, complete, noon - Duration::from_secs(60));
        runs.run_ended(Trigger::Schedule, RunStatus::Abandoned, noon);
        runs.run_ended(Trigger::Webhook, complete, noon + Duration::from_secs(60));
        let series = |trigger: &str, status: &str, at: u64| {
            let name = "image_sync_last_run_timestamp_seconds";
            format!(r#"{name}{{trigger="{trigger}",status="{status}"}} {at}"#)
        };
        has(&metrics, &series("schedule", "complete", 1_795_176_000));
        has(&metrics, &series("schedule", "abandoned", 1_795_176_000));
        has(&metrics, &series("webhook", "complete", 1_795_176_060));
    }
}
