//! Which trace a piece of work belongs to, so that one trace goes over the queue from role to role.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tracing::Span;

/// The headers of a trace (W3C Trace Context, sections 3.2 and 3.3: `traceparent` and `tracestate`), as a queue carries
/// them beside a message. Empty where nothing is traced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TraceContext(BTreeMap<String, String>);

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
        let ours = |(name, _): &(String, String)| Self::HEADERS.contains(&name.as_str());
        Self(headers.filter(ours).collect())
    }
}

/// Hands traces over between spans and messages.
pub trait Propagator: Send + Sync + fmt::Debug {
    /// The trace that `span` belongs to.
    fn trace_of(&self, span: &Span) -> TraceContext;

    /// Makes `span` a part of `trace`. It must have no children yet.
    fn join(&self, span: &Span, trace: &TraceContext);
}

/// Traces nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untraced;

impl Propagator for Untraced {
    fn trace_of(&self, _: &Span) -> TraceContext {
        TraceContext::default()
    }

    fn join(&self, _: &Span, _: &TraceContext) {}
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
}
