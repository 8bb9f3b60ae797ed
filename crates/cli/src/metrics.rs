//! What is counted, for Prometheus.

mod hosts;
mod labels;
mod runs;
mod work;

use image_sync_queue::Length;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

pub(crate) use hosts::Hosts;
use labels::{LaneLabel, StoreLabel};
pub(crate) use runs::RunMetrics;
pub(crate) use work::WorkMetrics;

/// A family without labels has one series, or none.
type NoLabels = [(&'static str, &'static str); 0];

/// The metrics of a process: those of its queue, and those of what it does.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    queued: Family<LaneLabel, Gauge>,
    /// Absent until it is known.
    dead_letters: Family<NoLabels, Gauge>,
    stored: Family<StoreLabel, Gauge>,
    limits: Family<StoreLabel, Gauge>,
    /// Absent until it is known.
    history: Family<NoLabels, Gauge>,
}

impl Metrics {
    /// Those of the queue. Names are without the prefix, and without the `_total` that counters get.
    pub(crate) fn new() -> Self {
        let (queued, dead_letters) = (Family::default(), Family::default());
        let mut registry = Registry::with_prefix("image_sync");
        registry.register(
            "queue_jobs",
            "Jobs that are stored in the queue, those in hand included",
            queued.clone(),
        );
        registry.register(
            "dead_letters",
            "Jobs that were given up and are kept, in all",
            dead_letters.clone(),
        );
        let (stored, limits, history) = (Family::default(), Family::default(), Family::default());
        registry.register_with_unit(
            "store",
            "What a store of the installation holds",
            Unit::Bytes,
            stored.clone(),
        );
        registry.register_with_unit(
            "store_limit",
            "What a store of the installation may hold",
            Unit::Bytes,
            limits.clone(),
        );
        registry.register_with_unit(
            "report_history",
            "For how long a report is kept, roughly, if others come as often and are as large as those that are kept",
            Unit::Seconds,
            history.clone(),
        );
        Self {
            registry,
            queued,
            dead_letters,
            stored,
            limits,
            history,
        }
    }

    /// Adds those of working jobs.
    pub(crate) fn of_work(&mut self, hosts: Hosts) -> WorkMetrics {
        WorkMetrics::register(&mut self.registry, hosts)
    }

    /// Adds those of making reports.
    pub(crate) fn of_runs(&mut self) -> RunMetrics {
        RunMetrics::register(&mut self.registry)
    }

    /// How much the queue holds.
    pub(crate) fn queue_is(&self, length: &Length) {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (lane, jobs) in &length.jobs {
            let label = LaneLabel { lane };
            self.queued.get_or_create(&label).set(gauge(*jobs));
        }
        if let Some(letters) = length.dead_letters {
            self.dead_letters.get_or_create(&[]).set(gauge(letters));
        }
        for fill in &length.stores {
            let label = StoreLabel { store: fill.store };
            self.stored.get_or_create(&label).set(gauge(fill.bytes));
            if let Some(limit) = fill.max_bytes {
                self.limits.get_or_create(&label).set(gauge(limit));
            }
        }
        if let Some(history) = length.history {
            let seconds = gauge(history.as_secs());
            self.history.get_or_create(&[]).set(seconds);
        }
    }

    /// All of them in the text format (`OpenMetrics` 1.0).
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use image_sync_queue::Fill;

    use super::*;

    /// Expects a line in the text.
    pub(super) fn has(metrics: &Metrics, line: &str) {
        let text = metrics.text().unwrap();
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }

    #[test]
    fn the_queue_is_as_long_as_it_was_last_said_to_be() {
        let metrics = Metrics::new();
        assert!(!metrics.text().unwrap().contains("image_sync_dead_letters"));
        for jobs in [7, 3] {
            metrics.queue_is(&Length {
                jobs: vec![("bulk", jobs), ("held", 1)],
                dead_letters: Some(2),
                ..Length::default()
            });
        }
        has(&metrics, r#"image_sync_queue_jobs{lane="bulk"} 3"#);
        has(&metrics, r#"image_sync_queue_jobs{lane="held"} 1"#);
        has(&metrics, "image_sync_dead_letters{} 2");
    }

    #[test]
    fn how_full_each_store_is_and_how_long_history_lasts_are_told() {
        let metrics = Metrics::new();
        metrics.queue_is(&Length {
            stores: vec![Fill {
                store: "reports",
                bytes: 7,
                max_bytes: Some(1024),
            }],
            history: Some(std::time::Duration::from_secs(3_600)),
            ..Length::default()
        });
        has(&metrics, r#"image_sync_store_bytes{store="reports"} 7"#);
        has(
            &metrics,
            r#"image_sync_store_limit_bytes{store="reports"} 1024"#,
        );
        has(&metrics, "image_sync_report_history_seconds{} 3600");
    }
}
