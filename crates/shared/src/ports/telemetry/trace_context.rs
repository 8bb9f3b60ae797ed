//! Which trace a piece of work belongs to, so that one trace goes over the queue from role to role.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tracing::Span;

/// The headers of a trace (W3C Trace Context, sections 3.2 and 3.3: `traceparent` and `tracestate`), as a queue carries
/// them beside a message. Empty where nothing is traced.
///
/// A value that could not be a header's, or is longer than the standard lets it be, is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct TraceContext(BTreeMap<String, String>);

/// The longest value, in bytes (W3C Trace Context, section 3.3.1.5).
const MAX_VALUE: usize = 512;

impl TraceContext {
    /// The names of all headers that a context may have.
    pub const HEADERS: [&str; 2] = ["traceparent", "tracestate"];

    /// Whether nothing is traced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a header.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Its headers, names first.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Takes the headers of [`TraceContext::HEADERS`] and passes over all others, which are another's business.
impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for TraceContext {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(headers: T) -> Self {
        let headers = headers
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let ours = |(name, value): &(String, String)| {
            Self::HEADERS.contains(&name.as_str())
                && value.len() <= MAX_VALUE
                && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        };
        Self(headers.filter(ours).collect())
    }
}

impl From<BTreeMap<String, String>> for TraceContext {
    fn from(headers: BTreeMap<String, String>) -> Self {
        headers.into_iter().collect()
    }
}

impl From<TraceContext> for BTreeMap<String, String> {
    fn from(trace: TraceContext) -> Self {
        trace.0
    }
}

/// Hands traces over between spans and messages.
pub trait Propagator: Send + Sync + fmt::Debug {
    /// The trace that `span` belongs to.
    fn trace_of(&self, span: &Span) -> TraceContext;

    /// Makes `span` a part of `trace`. It must have no children yet.
    fn join(&self, span: &Span, trace: &TraceContext);

    /// Makes `span`, which is of another trace, lead to `trace` (OpenTelemetry specification, "Links between spans").
    fn link(&self, span: &Span, trace: &TraceContext);

    /// Marks what `span` is about as failed.
    fn failed(&self, span: &Span, why: &str);
}

/// Traces nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untraced;

impl Propagator for Untraced {
    fn trace_of(&self, _: &Span) -> TraceContext {
        TraceContext::default()
    }

    fn join(&self, _: &Span, _: &TraceContext) {}

    fn link(&self, _: &Span, _: &TraceContext) {}

    fn failed(&self, _: &Span, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_others_are_passed_over() {
        let context: TraceContext = [("traceparent", "00-1-2-01"), ("Nats-Msg-Id", "r1:0")]
            .into_iter()
            .collect();
        let headers: Vec<_> = context.headers().collect();
        assert_eq!(headers, [("traceparent", "00-1-2-01")]);
        assert_eq!(context.get("tracestate"), None);
    }

    #[test]
    fn values_that_no_header_can_have_are_none() {
        let long = "x".repeat(513);
        for bad in ["a\r\nNats-Msg-Id: x", "a\u{7f}", "é", &long] {
            let json = serde_json::json!({ "traceparent": bad, "tracestate": "v=1", "other": "x" });
            let context: TraceContext = serde_json::from_value(json).unwrap();
            let headers: Vec<_> = context.headers().collect();
            assert_eq!(headers, [("tracestate", "v=1")], "{bad:?}");
        }
    }
}
