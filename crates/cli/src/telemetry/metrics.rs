//! What is counted, for Prometheus.

mod events;
mod exposition;
mod hosts;
mod labels;
mod other_pauses;
#[cfg(target_os = "linux")]
mod process;
mod runs;
mod work;

use image_sync_shared::config::webhooks::Sender;
use image_sync_shared::ports::queue::backlog::Length;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

pub(crate) use events::EventMetrics;
pub(crate) use exposition::Exposition;
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
    ready: Gauge,
    /// Those that have not the prefix of the program.
    of_process: Registry,
    queued: Family<LaneLabel, Gauge>,
    in_hand: Family<LaneLabel, Gauge>,
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
        let ready = Gauge::default();
        registry.register("ready", "Whether /readyz is 200", ready.clone());
        registry.register(
            "queue_jobs",
            "Jobs that are stored in the queue, those in hand included",
            queued.clone(),
        );
        let in_hand = Family::default();
        registry.register(
            "queue_jobs_in_hand",
            "Jobs that were delivered and have no acknowledgement yet",
            in_hand.clone(),
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
            ready,
            of_process: of_process(),
            queued,
            in_hand,
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

    /// Adds those of events, of these senders.
    pub(crate) fn of_events(&mut self, senders: impl Iterator<Item = Sender>) -> EventMetrics {
        EventMetrics::register(&mut self.registry, senders)
    }

    /// Whether the program can do its work.
    pub(crate) fn is_ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }

    /// How much the queue holds.
    pub(crate) fn queue_is(&self, length: &Length) {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for jobs in &length.jobs {
            let label = LaneLabel { lane: jobs.lane };
            self.queued.get_or_create(&label).set(gauge(jobs.stored));
            self.in_hand.get_or_create(&label).set(gauge(jobs.in_hand));
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

    /// All of them.
    pub(crate) fn text(&self, format: Exposition) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &self.of_process)?;
        encode_eof(&mut text)?;
        Ok(format.of(text))
    }
}

fn of_process() -> Registry {
    #[cfg_attr(
        not(target_os = "linux"),
        expect(unused_mut, reason = "there are none")
    )]
    let mut registry = Registry::default();
    #[cfg(target_os = "linux")]
    registry.register_collector(Box::new(process::ProcessCollector));
    registry
}

#[cfg(test)]
mod tests {
    use image_sync_shared::ports::queue::backlog::{Fill, LaneLength};

    use super::*;

    /// Expects a line in the text.
    pub(super) fn has(metrics: &Metrics, line: &str) {
        let text = metrics.text(Exposition::OpenMetrics).unwrap();
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }

    fn lane(lane: &'static str, stored: u64) -> LaneLength {
        LaneLength {
            lane,
            stored,
            in_hand: 2,
        }
    }

    #[test]
    fn the_queue_is_as_long_as_it_was_last_said_to_be() {
        let metrics = Metrics::new();
        assert!(
            !metrics
                .text(Exposition::OpenMetrics)
                .unwrap()
                .contains("image_sync_dead_letters")
        );
        for jobs in [7, 3] {
            metrics.queue_is(&Length {
                jobs: vec![lane("bulk", jobs), lane("held", 1)],
                dead_letters: Some(2),
                ..Length::default()
            });
        }
        has(&metrics, r#"image_sync_queue_jobs{lane="bulk"} 3"#);
        has(&metrics, r#"image_sync_queue_jobs{lane="held"} 1"#);
        has(&metrics, "image_sync_dead_letters{} 2");
        has(&metrics, r#"image_sync_queue_jobs_in_hand{lane="bulk"} 2"#);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_process_takes_has_the_names_that_all_programs_give_it() {
        let text = Metrics::new().text(Exposition::Text).unwrap();
        let value = |name: &str| {
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} in {text}"))
                .parse::<f64>()
                .unwrap()
        };
        for name in [
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_open_fds",
            "process_max_fds",
            "process_threads",
            "process_start_time_seconds",
        ] {
            assert!(value(name) >= 1.0, "{name}");
        }
        assert!(value("process_cpu_seconds_total") >= 0.0);
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
