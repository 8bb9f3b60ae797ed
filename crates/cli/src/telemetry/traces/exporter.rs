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
#[derive(Clone, Debug, Default)]
pub(super) struct Complaint(Arc<AtomicBool>);

impl Complaint {
    pub(super) fn once(&self, error: &impl fmt::Display) {
        if !self.0.swap(true, Ordering::Relaxed) {
            warn!(%error, "traces could not be sent; this is told once, and the work goes on without them");
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
