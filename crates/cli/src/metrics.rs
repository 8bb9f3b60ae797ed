//! What is counted, for Prometheus.

mod hosts;
mod labels;
mod runs;
mod work;

use image_sync_queue::Length;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub(crate) use hosts::Hosts;
use labels::LaneLabel;
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
        Self {
            registry,
            queued,
            dead_letters,
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
            });
        }
        has(&metrics, r#"image_sync_queue_jobs{lane="bulk"} 3"#);
        has(&metrics, r#"image_sync_queue_jobs{lane="held"} 1"#);
        has(&metrics, "image_sync_dead_letters{} 2");
    }
}
