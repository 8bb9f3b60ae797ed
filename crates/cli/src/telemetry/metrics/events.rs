//! What is counted while events of registries come.

use std::time::Duration;

use image_sync_shared::config::webhooks::Sender;
use image_sync_webhook::ledger::Outcome;
use image_sync_webhook::receive::EventMeasures;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Seconds from a request to the storing of its jobs: from a queue nearby to one that is away.
const STORE_SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EventLabels {
    sender: &'static str,
    outcome: &'static str,
}

/// The metrics of a webhook.
#[derive(Debug)]
pub(crate) struct EventMetrics {
    events: Family<EventLabels, Counter>,
    stored: Histogram,
}

impl EventMetrics {
    /// All of them at zero, for these senders.
    pub(super) fn register(registry: &mut Registry, senders: impl Iterator<Item = Sender>) -> Self {
        let metrics = Self {
            events: Family::default(),
            stored: Histogram::new(STORE_SECONDS),
        };
        registry.register(
            "webhook_events",
            "Events of registries, and requests that were refused, by what came of them",
            metrics.events.clone(),
        );
        registry.register(
            "webhook_store_duration_seconds",
            "From a request with events to the storing of their jobs",
            metrics.stored.clone(),
        );
        for sender in senders {
            for outcome in Outcome::ALL {
                drop(metrics.events.get_or_create(&labels(sender, outcome)));
            }
        }
        metrics
    }
}

fn labels(sender: Sender, outcome: Outcome) -> EventLabels {
    EventLabels {
        sender: sender.name(),
        outcome: outcome.name(),
    }
}

impl EventMeasures for EventMetrics {
    fn event_ended(&self, sender: Sender, outcome: Outcome) {
        self.events.get_or_create(&labels(sender, outcome)).inc();
    }

    fn jobs_stored(&self, took: Duration) {
        self.stored.observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::super::tests::has;
    use super::*;

    #[test]
    fn events_start_at_zero_and_are_counted_by_sender_and_outcome() {
        let mut metrics = Metrics::new();
        let events = metrics.of_events([Sender::GitHub].into_iter());
        let series = |outcome: &str, count: u64| {
            format!(
                r#"image_sync_webhook_events_total{{sender="github",outcome="{outcome}"}} {count}"#
            )
        };
        for outcome in Outcome::ALL {
            has(&metrics, &series(outcome.name(), 0));
        }
        events.event_ended(Sender::GitHub, Outcome::Stored);
        events.jobs_stored(Duration::from_millis(20));
        has(&metrics, &series("stored", 1));
        has(
            &metrics,
            "image_sync_webhook_store_duration_seconds_count 1",
        );
    }
}
