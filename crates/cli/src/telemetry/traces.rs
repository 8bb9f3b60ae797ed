//! Traces over OTLP (OpenTelemetry protocol, over HTTP as protobuf). They are off, and cost nothing, unless the environment
//! names an endpoint.
//!
//! Which spans there are is for the roles to say, through `tracing`; here they are only sent. A collector that is away
//! costs its spans and one warning, nothing else.

mod exporter;
mod propagator;

use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::ports::telemetry::trace_context::Propagator;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::warn;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Layer, Registry};

use crate::process::environment::Environment;
use crate::process::exit::Exit;
use crate::process::shutdown;
use exporter::{Complaining, Complaint};
use propagator::W3c;

/// How long the end of the program waits for the last spans to be sent, unless a signal leaves it less time.
const FLUSH: Duration = Duration::from_secs(3);
/// The service, where the environment names no other.
const SERVICE: &str = "image-sync";

/// Takes spans in, beside the log.
pub(crate) type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The sending of traces.
pub(crate) struct Telemetry {
    provider: Option<SdkTracerProvider>,
    /// Whether there are none, although there should be.
    refused: bool,
    complaint: Complaint,
}

impl Telemetry {
    /// Makes ready to send what the environment asks for. Nothing is contacted yet.
    pub(crate) fn new(environment: &Environment) -> Self {
        let complaint = Complaint::new(environment.traces_endpoint.as_deref());
        let wanted = environment.traces_wanted;
        let provider = wanted.then(|| provider(&complaint).ok()).flatten();
        Self {
            refused: wanted && provider.is_none(),
            provider,
            complaint,
        }
    }

    /// What takes the spans of this program in, if they are to be sent.
    pub(crate) fn layer(&self) -> Option<SpanLayer> {
        let tracer = self.provider.as_ref()?.tracer(SERVICE);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            // Parents are those that `tracing` knows: tasks change threads.
            .with_context_activation(false)
            .with_error_events_to_status(true)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        let ours = Targets::new().with_target("image_sync", LevelFilter::DEBUG);
        Some(layer.with_filter(ours).boxed())
    }

    /// Says what is wrong, once there is a log to say it in.
    pub(crate) fn tell(&self) {
        if self.refused {
            // What the SDK says repeats the endpoint, with the password that may be in it.
            warn!(
                "no traces are sent: OTEL_EXPORTER_OTLP_ENDPOINT, or its sibling for traces, is no URL, or a compression is \
                 asked for, of which this program knows none"
            );
        }
    }

    /// Sends the last spans, for a short while at most; not at all after a second signal, which ends the program at once.
    pub(crate) fn end(self, exit: Exit) {
        let Some(provider) = self.provider else {
            return;
        };
        let patience = shutdown::time_left().map_or(FLUSH, |left| left.min(FLUSH));
        if !matches!(exit, Exit::Signal(_))
            && let Err(error) = provider.shutdown_with_timeout(patience)
        {
            self.complaint.once(&error);
        }
    }
}

/// What hands traces over between spans and messages.
pub(crate) fn propagator() -> Arc<dyn Propagator> {
    Arc::new(W3c::default())
}

/// Headers, timeouts, the sampler and the sizes of batches are read from the environment by the SDK itself, as its
/// specification says.
fn provider(complaint: &Complaint) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_http().build()?;
    let exporter = Complaining::new(exporter, complaint.clone());
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource());
    Ok(provider.build())
}

fn resource() -> Resource {
    let found = Resource::builder().build();
    let name = found.get(&Key::new("service.name"));
    // The SDK makes a name up where the environment has none.
    let named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    if named {
        resource.build()
    } else {
        resource.with_service_name(SERVICE).build()
    }
}
