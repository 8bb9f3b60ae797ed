//! What is counted while reports are made.

use image_sync_shared::ports::telemetry::measures::Measures;
use image_sync_shared::run::report::RunStatus;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{STATUSES, StatusLabel, run_status};

/// The metrics of an aggregator.
#[derive(Debug)]
pub(crate) struct RunMetrics {
    open: Gauge,
    reported: Family<StatusLabel, Counter>,
    folded: Counter,
    given_up: Counter,
}

impl RunMetrics {
    /// All of them at zero.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            open: Gauge::default(),
            reported: Family::default(),
            folded: Counter::default(),
            given_up: Counter::default(),
        };
        registry.register("runs_open", "Runs being followed", metrics.open.clone());
        registry.register(
            "runs",
            "Runs that ended and have their report, by how they ended",
            metrics.reported.clone(),
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

    fn result_folded(&self) {
        self.folded.inc();
    }

    fn job_given_up(&self) {
        self.given_up.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::super::tests::has;
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
}
