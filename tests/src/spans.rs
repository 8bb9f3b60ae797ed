//! Spans that a collector got.

use image_sync_testkit::network::collector::Span;

/// All spans of this name.
#[must_use]
pub fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// The only span of this name.
///
/// # Panics
/// If there is none, or more than one.
#[must_use]
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn only<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    match named(spans, name).as_slice() {
        [span] => span,
        others => panic!("one span `{name}`, not {}: {spans:#?}", others.len()),
    }
}
