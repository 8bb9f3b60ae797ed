//! Traces in messages (W3C Trace Context).

use std::collections::HashMap;

use image_sync_shared::ports::telemetry::trace_context::{Propagator, TraceContext};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Status, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Knows the headers of the W3C.
#[derive(Debug, Default)]
pub(super) struct W3c(TraceContextPropagator);

impl Propagator for W3c {
    fn trace_of(&self, span: &Span) -> TraceContext {
        let mut headers = HashMap::new();
        self.0.inject_context(&span.context(), &mut headers);
        // A trace without a state has an empty one.
        headers.retain(|_, value: &mut String| !value.is_empty());
        headers.into_iter().collect()
    }

    fn join(&self, span: &Span, trace: &TraceContext) {
        if trace.is_empty() {
            return;
        }
        let parent = self.0.extract(&Headers(trace));
        // Refused where nothing is traced, and where the span is one that is not sent.
        span.set_parent(parent).ok();
    }

    fn link(&self, span: &Span, trace: &TraceContext) {
        let other = self.0.extract(&Headers(trace));
        let other = other.span().span_context().clone();
        if other.is_valid() {
            span.add_link(other);
        }
    }

    fn failed(&self, span: &Span, why: &str) {
        span.set_status(Status::error(why.to_owned()));
    }
}

struct Headers<'a>(&'a TraceContext);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.headers().map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::info_span;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn message() -> TraceContext {
        let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
        [("traceparent", parent.as_str()), ("tracestate", "vendor=1")]
            .into_iter()
            .collect()
    }

    fn traced<T>(test: impl FnOnce() -> T) -> T {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, test)
    }

    #[test]
    fn a_span_goes_on_with_the_trace_of_a_message() {
        let onward = traced(|| {
            let span = info_span!("job");
            W3c::default().join(&span, &message());
            W3c::default().trace_of(&span)
        });
        let parent = onward.get("traceparent").unwrap();
        assert!(parent.starts_with(&format!("00-{TRACE}-")), "{parent}");
        assert!(!parent.contains("b7ad6b7169203331"), "it has its own span");
        assert_eq!(onward.get("tracestate"), Some("vendor=1"));
    }

    #[test]
    fn a_broken_header_starts_a_new_trace() {
        let onward = traced(|| {
            let span = info_span!("job");
            let broken = [("traceparent", "nonsense")].into_iter().collect();
            W3c::default().join(&span, &broken);
            W3c::default().trace_of(&span)
        });
        assert!(onward.get("traceparent").is_some());
        assert_eq!(onward.get("tracestate"), None);
    }

    #[test]
    fn where_nothing_is_traced_no_header_is_made() {
        let subscriber = tracing_subscriber::registry();
        let headers = tracing::subscriber::with_default(subscriber, || {
            let span = info_span!("job");
            W3c::default().join(&span, &message());
            W3c::default().trace_of(&span)
        });
        assert!(headers.is_empty());
    }
}
