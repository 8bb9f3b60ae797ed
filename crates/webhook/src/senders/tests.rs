//! What the tests of all senders share, and what holds for all of them.

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::*;

pub(super) fn read(
    sender: Sender,
    headers: &[(&'static str, &str)],
    body: &Value,
) -> Result<Delivery, Unreadable> {
    super::read(sender, &map(headers), body.to_string().as_bytes())
}

pub(super) fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&'static str, &str)| {
        let value = HeaderValue::from_str(value).unwrap();
        (HeaderName::from_static(name), value)
    };
    headers.iter().map(header).collect()
}

/// The only hint of a delivery that brought nothing else.
pub(super) fn one(delivery: &Delivery) -> &Hint {
    match (&delivery.hints[..], &delivery.ignored[..]) {
        ([hint], []) => hint,
        _ => panic!("{delivery:?}"),
    }
}

/// What was ignored of a delivery, in which a hint may be.
pub(super) fn ignored(delivery: &Delivery) -> &[Ignored] {
    &delivery.ignored
}

pub(super) fn refused(sender: Sender, body: &Value) -> String {
    read(sender, &[], body).unwrap_err().to_string()
}

#[test]
fn what_is_no_object_is_refused_of_all_senders() {
    let deep = "[".repeat(500_000);
    for sender in Sender::ALL {
        for body in ["", "null", "7", "\"x\"", "<html>", "{", &deep, "{}{}"] {
            let error = super::read(sender, &HeaderMap::new(), body.as_bytes());
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with("the body is "), "{sender}: {error}");
            assert!(error.contains("; expected "), "{sender}: {error}");
        }
    }
}

#[test]
fn an_empty_object_says_nothing_of_any_sender() {
    for sender in Sender::ALL {
        let read = read(sender, &[], &json!({}));
        assert!(read.is_err() || read.is_ok_and(|of| of.hints.is_empty()));
    }
}

#[test]
fn why_an_event_is_ignored_is_said_in_short_words() {
    let long = "\u{1b}[2Jx".repeat(100_000);
    for (ignored, expected) in [
        (Ignored::event(&long), "which is no push and no delete"),
        (Ignored::invalid(&long), "bytes more]"),
        (Ignored::NoReference, "it names neither a tag nor a digest"),
        (
            Ignored::TooMany(7),
            "7 more events, where 1000 are taken of one delivery",
        ),
    ] {
        let text = ignored.to_string();
        assert!(text.ends_with(expected), "{text}");
        image_sync_fuzzkit::assert_presentable(&text);
    }
}

#[test]
fn the_documentation_has_the_address_and_the_settings_of_each_sender() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/webhooks.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    for sender in Sender::ALL {
        let (address, settings) = (
            format!("/v1/hooks/{sender}"),
            format!("webhooks:\n  {sender}:"),
        );
        assert!(
            docs.contains(&address) && docs.contains(&settings),
            "{sender}"
        );
    }
    assert!(docs.contains("Of one delivery 1,000 events are taken") && MOST_HINTS == 1_000);
}
