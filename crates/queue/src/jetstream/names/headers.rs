//! The headers of messages.

use async_nats::{HeaderMap, HeaderValue};
use image_sync_shared::ports::QueueError;
use image_sync_shared::text::excerpt;

/// By this id a stream drops repeats (`JetStream`, "Message Deduplication").
pub(crate) const MESSAGE_ID: &str = "Nats-Msg-Id";

/// Gives a header its value, unless that has a line break: the library would panic.
pub(crate) fn set_header(
    headers: &mut HeaderMap,
    name: &'static str,
    value: &str,
) -> Result<(), QueueError> {
    let value: HeaderValue = value.parse().map_err(|error| {
        QueueError::Refused(format!("{:?} is no {name}: {error}", excerpt(value)))
    })?;
    headers.insert(name, value);
    Ok(())
}

/// How many bytes the lines of these headers have.
pub(crate) fn header_length(headers: &HeaderMap) -> usize {
    let lines = headers.iter().flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        let line = move |value: &HeaderValue| name.len() + value.as_str().len() + ": \r\n".len();
        values.iter().map(line)
    });
    lines.sum()
}
