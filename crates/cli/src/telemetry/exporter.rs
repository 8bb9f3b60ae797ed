//! An exporter whose failures are told once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

impl<E: SpanExporter> SpanExporter for Complaining<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
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
