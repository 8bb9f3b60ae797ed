//! What is counted while jobs are worked.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use image_sync_shared::failure::FailureClass;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::ports::telemetry::measures::{BlobEnd, Measures, RequestEnded};
use image_sync_shared::run::outcome::{ArtifactCounts, ResultKind};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use time::OffsetDateTime;

use super::hosts::Hosts;
use super::labels::{
    ArrivalLabel, ClassLabel, HostLabel, LaneLabel, OutcomeLabel, RequestLabels, arrival, lane,
    outcome, status,
};
use super::other_pauses::OtherPauses;

/// Seconds that a request may take: from a cached answer nearby to the longest that is waited for.
const REQUEST_SECONDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Seconds that a job may be late: from a free slot to a queue of hours.
const LATE_SECONDS: [f64; 10] = [
    0.01, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0,
];

/// Seconds from the job of an event to its result: from a check to the copy of a large image.
const EVENT_SECONDS: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];

/// The metrics of a worker.
#[derive(Debug)]
pub(crate) struct WorkMetrics {
    hosts: Hosts,
    jobs: Family<OutcomeLabel, Counter>,
    retries: Family<ClassLabel, Counter>,
    blobs: Family<ArrivalLabel, Counter>,
    artifacts: Family<OutcomeLabel, Counter>,
    copied_bytes: Counter,
    requests: Family<RequestLabels, Histogram, fn() -> Histogram>,
    late: Family<LaneLabel, Histogram, fn() -> Histogram>,
    events: Histogram,
    slots: Gauge,
    pauses: Family<HostLabel, Gauge<f64, AtomicU64>>,
    other_pauses: OtherPauses,
}

impl WorkMetrics {
    /// All of them at zero. Hosts are told apart as far as `hosts` has them.
    pub(super) fn register(registry: &mut Registry, hosts: Hosts) -> Self {
        let metrics = Self {
            hosts,
            jobs: Family::default(),
            retries: Family::default(),
            blobs: Family::default(),
            artifacts: Family::default(),
            copied_bytes: Counter::default(),
            requests: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            late: Family::new_with_constructor(|| Histogram::new(LATE_SECONDS)),
            events: Histogram::new(EVENT_SECONDS),
            slots: Gauge::default(),
            pauses: Family::default(),
            other_pauses: OtherPauses::default(),
        };
        metrics.register_all(registry);
        metrics.start_at_zero();
        metrics
    }

    fn register_all(&self, registry: &mut Registry) {
        registry.register("jobs", "Jobs that have their result", self.jobs.clone());
        registry.register(
            "job_retries",
            "Attempts that failed and whose job was put back, by the class of the failure",
            self.retries.clone(),
        );
        registry.register(
            "blobs",
            "Blobs that are at their target, by the way they came there",
            self.blobs.clone(),
        );
        registry.register(
            "artifacts",
            "Artifacts of images whose job has its result, by what became of them",
            self.artifacts.clone(),
        );
        registry.register(
            "copied_bytes",
            "Bytes of blobs that were sent to targets",
            self.copied_bytes.clone(),
        );
        registry.register(
            "registry_request_duration_seconds",
            "From a request to the head of its answer",
            self.requests.clone(),
        );
        registry.register(
            "queue_lag_seconds",
            "How long after they were due jobs were delivered",
            self.late.clone(),
        );
        registry.register(
            "webhook_job_duration_seconds",
            "From the storing of a job that an event led to, to its result",
            self.events.clone(),
        );
        registry.register("slots_in_use", "Jobs being worked", self.slots.clone());
        registry.register(
            "host_paused_until_timestamp_seconds",
            "Until when a registry that answered 429 is left alone",
            self.pauses.clone(),
        );
    }

    /// A series that appears only with its first event has no rate then.
    fn start_at_zero(&self) {
        use ResultKind::{AlreadyCached, Failed, Kept, Pulled, Skipped};
        for action in [AlreadyCached, Pulled, Skipped, Kept, Failed] {
            drop(self.jobs.get_or_create(&outcome(action)));
        }
        for how in [BlobEnd::Copied, BlobEnd::Mounted, BlobEnd::Present] {
            drop(self.blobs.get_or_create(&arrival(how)));
        }
        self.artifacts_ended(ArtifactCounts::default());
    }
}

impl Measures for WorkMetrics {
    fn request_ended(&self, request: RequestEnded<'_>) {
        let labels = RequestLabels {
            host: self.hosts.label(request.host),
            method: request.method.to_owned(),
            status: status(request.status),
        };
        let seconds = request.took.as_secs_f64();
        self.requests.get_or_create(&labels).observe(seconds);
    }

    fn slot_taken(&self) {
        self.slots.inc();
    }

    fn slot_freed(&self) {
        self.slots.dec();
    }

    fn job_delivered(&self, from: Lane, late: Duration) {
        let seconds = late.as_secs_f64();
        self.late.get_or_create(&lane(from)).observe(seconds);
    }

    fn job_ended(&self, kind: ResultKind) {
        self.jobs.get_or_create(&outcome(kind)).inc();
    }

    fn event_job_ended(&self, took: Duration) {
        self.events.observe(took.as_secs_f64());
    }

    fn artifacts_ended(&self, counts: ArtifactCounts) {
        for (outcome, count) in counts.by_word() {
            let counter = self.artifacts.get_or_create(&OutcomeLabel { outcome });
            counter.inc_by(count.into());
        }
    }

    fn job_put_back(&self, class: FailureClass) {
        let class = class.name();
        self.retries.get_or_create(&ClassLabel { class }).inc();
    }

    fn blob_ended(&self, how: BlobEnd) {
        self.blobs.get_or_create(&arrival(how)).inc();
    }

    fn bytes_copied(&self, bytes: u64) {
        self.copied_bytes.inc_by(bytes);
    }

    fn host_paused(&self, host: &str, until: OffsetDateTime) {
        let until = until.unix_timestamp();
        let until = if self.hosts.has_own_label(host) {
            until
        } else {
            self.other_pauses.note(host, until)
        };
        let host = self.hosts.label(host);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
        let until = until as f64;
        self.pauses.get_or_create(&HostLabel { host }).set(until);
    }
}

#[cfg(test)]
mod tests {
    use image_sync_catalog::config_file;
    use time::macros::datetime;

    use super::super::Metrics;
    use super::super::tests::has;
    use super::*;

    fn hosts() -> Hosts {
        let text = "{cache_registry: 'a.test:5000', registries: {a.test: {}}, images: []}";
        let config = config_file::parse(text, "c.yaml").unwrap().config;
        Hosts::of(&config, std::iter::empty())
    }

    #[test]
    fn jobs_and_blobs_start_at_zero_and_are_counted() {
        let mut metrics = Metrics::new();
        let work = metrics.of_work(hosts());
        for outcome in ["already_cached", "pulled", "skipped", "kept", "failed"] {
            let series = format!(r#"image_sync_jobs_total{{outcome="{outcome}"}} 0"#);
            has(&metrics, &series);
        }
        has(&metrics, r#"image_sync_blobs_total{arrival="mounted"} 0"#);
        work.job_ended(ResultKind::Failed);
        work.blob_ended(BlobEnd::Mounted);
        work.bytes_copied(7);
        work.job_put_back(FailureClass::RateLimited {
            retry_after_ms: None,
        });
        has(&metrics, r#"image_sync_jobs_total{outcome="failed"} 1"#);
        has(&metrics, r#"image_sync_blobs_total{arrival="mounted"} 1"#);
        has(&metrics, "image_sync_copied_bytes_total 7");
        has(
            &metrics,
            r#"image_sync_job_retries_total{class="rate_limited"} 1"#,
        );
    }

    #[test]
    fn jobs_of_events_are_measured_from_their_storing_to_their_result() {
        let mut metrics = Metrics::new();
        let work = metrics.of_work(hosts());
        has(&metrics, "image_sync_webhook_job_duration_seconds_count 0");
        work.event_job_ended(Duration::from_secs(3));
        has(&metrics, "image_sync_webhook_job_duration_seconds_sum 3.0");
        let bucket = r#"image_sync_webhook_job_duration_seconds_bucket{le="5.0"} 1"#;
        has(&metrics, bucket);
    }

    #[test]
    fn artifacts_start_at_zero_and_are_counted_by_what_became_of_them() {
        let mut metrics = Metrics::new();
        let work = metrics.of_work(hosts());
        for outcome in ["copied", "present", "unfit", "kept", "failed"] {
            let series = format!(r#"image_sync_artifacts_total{{outcome="{outcome}"}} 0"#);
            has(&metrics, &series);
        }
        let counts = ArtifactCounts {
            copied: 3,
            failed: 1,
            ..ArtifactCounts::default()
        };
        work.artifacts_ended(counts);
        work.artifacts_ended(counts);
        has(
            &metrics,
            r#"image_sync_artifacts_total{outcome="copied"} 6"#,
        );
        has(
            &metrics,
            r#"image_sync_artifacts_total{outcome="failed"} 2"#,
        );
        has(&metrics, r#"image_sync_artifacts_total{outcome="unfit"} 0"#);
    }

    #[test]
    fn gauges_show_what_is_so_now() {
        let mut metrics = Metrics::new();
        let work = metrics.of_work(hosts());
        work.slot_taken();
        work.slot_taken();
        work.slot_freed();
        work.host_paused("a.test", datetime!(2026-11-20 12:00 UTC));
        has(&metrics, "image_sync_slots_in_use 1");
        let pause = r#"image_sync_host_paused_until_timestamp_seconds{host="a.test"} 1795176000.0"#;
        has(&metrics, pause);
    }

    #[test]
    fn a_pause_of_a_host_that_shares_its_label_does_not_hide_a_longer_one() {
        let mut metrics = Metrics::new();
        let work = metrics.of_work(hosts());
        let noon = datetime!(2026-11-20 12:00 UTC);
        work.host_paused("one.test", noon);
        work.host_paused("two.test", noon - Duration::from_secs(60));
        let pause = r#"image_sync_host_paused_until_timestamp_seconds{host="other"} 1795176000.0"#;
        has(&metrics, pause);
    }

    #[test]
    fn requests_are_told_apart_by_host_method_and_status() {
        let mut metrics = Metrics::new();
        let work = metrics.of_work(hosts());
        let ended = |status| RequestEnded {
            host: "a.test:5000",
            method: "HEAD",
            status,
            took: Duration::from_millis(20),
        };
        work.request_ended(ended(Some(200)));
        work.request_ended(ended(None));
        let series = |status: &str, rest: &str| {
            let name = "image_sync_registry_request_duration_seconds";
            format!(r#"{name}{rest}="a.test:5000",method="HEAD",status="{status}"}} 1"#)
        };
        has(&metrics, &series("200", "_count{host"));
        has(&metrics, &series("none", "_count{host"));
    }
}
