//! An exporter whose failures are told once, and which says what each span is to other programs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tracing::warn;

/// Says once that traces are not sent. Clones share that.
#[derive(Clone, Debug)]
pub(super) struct Complaint {
    is_told: Arc<AtomicBool>,
    collector: String,
}

impl Complaint {
    /// Nothing is told yet. The collector is as the environment names it: of a URL, host and port are told and no password.
    pub(super) fn new(endpoint: Option<&str>) -> Self {
        let place = endpoint.unwrap_or_default();
        let place = place.split_once("://").map_or(place, |(_, place)| place);
        let host = place.split(['/', '?', '#']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        Self {
            is_told: Arc::default(),
            collector: host.to_owned(),
        }
    }

    pub(super) fn once(&self, error: &impl fmt::Display) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            warn!(
                collector = self.collector, %error,
                "traces could not be sent; this is told once, and the work goes on without them: start a collector there that \
                 takes OTLP over HTTP (port 4318 by custom; 4317 is that of gRPC), or unset OTEL_EXPORTER_OTLP_ENDPOINT"
            );
        }
    }
}

/// An exporter that tells of its first failure.
#[derive(Debug)]
pub(super) struct Complaining<E> {
    exporter: E,
    complaint: Complaint,
}

impl<E> Complaining<E> {
    pub(super) fn new(exporter: E, complaint: Complaint) -> Self {
        Self {
            exporter,
            complaint,
        }
    }
}

/// What a span is to other programs (OpenTelemetry specification, "`SpanKind`").
fn kind(name: &str) -> SpanKind {
    match name {
        "run" => SpanKind::Producer,
        "job" => SpanKind::Consumer,
        "check" | "copy" | "blob" => SpanKind::Client,
        _ => SpanKind::Internal,
    }
}

impl<E: SpanExporter> SpanExporter for Complaining<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut batch {
            // Here, and not in a field of the span (`otel.kind`): the roles know nothing of OpenTelemetry.
            span.span_kind = kind(&span.name);
        }
        let sent = self.exporter.export(batch).await;
        if let Err(error) = &sent {
            self.complaint.once(error);
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collector_is_told_without_its_password() {
        for (endpoint, expected) in [
            (Some("http://collector:4318/v1"), "collector:4318"),
            (
                Some("https://user:s3cret@c.example/x?token=s3cret"),
                "c.example",
            ),
            (Some("c.example"), "c.example"),
            (None, ""),
        ] {
            assert_eq!(Complaint::new(endpoint).collector, expected);
        }
    }
}
