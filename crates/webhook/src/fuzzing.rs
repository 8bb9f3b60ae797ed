//! The bodies of fuzz targets: requests of whoever finds the port.

use http::{HeaderMap, HeaderName, HeaderValue};
use image_sync_fuzzkit::{assert_presentable, first_lines, text};
use image_sync_shared::config::webhooks::Sender;
use image_sync_shared::image::hint::Hint;
use image_sync_shared::image::reference::Reference;

pub use crate::proof::fuzzing::webhook_proof;
use crate::senders::{MOST_HINTS, read};

/// A payload: the first line's first byte chooses the sender, the second line has headers, and the rest is the body. Whatever they
/// are, a hint has names that a registry can have, and all texts are fit to be shown.
pub fn webhook_payload(input: &[u8]) {
    let ([sender, headers_line], body) = first_lines(input);
    let delivery = match read(sender_of(sender), &headers_of(headers_line), body) {
        Ok(delivery) => delivery,
        Err(error) => return assert_presentable(&error.to_string()),
    };
    assert!(delivery.hints.len() <= MOST_HINTS && delivery.ignored.len() <= MOST_HINTS);
    if let Some(id) = &delivery.id {
        assert_presentable(id);
    }
    for hint in &delivery.hints {
        assert_named(hint);
    }
    for ignored in &delivery.ignored {
        assert_presentable(&ignored.to_string());
        let name = ignored.name();
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        );
    }
}

fn assert_named(hint: &Hint) {
    let again = Hint::new(hint.registry.as_deref(), &hint.repository, hint.action);
    let again = again.ok().map(|again| (again.registry, again.repository));
    let expected = Some((hint.registry.clone(), hint.repository.clone()));
    assert_eq!(again, expected, "names are those of references");
    assert!(hint.tag.is_some() || hint.digest.is_some());
    let tag = hint.tag.as_deref().map(str::parse::<Reference>);
    let is_tag = tag.is_none_or(|tag| tag.is_ok_and(|tag| tag.tag().is_some()));
    assert!(is_tag, "{:?}", hint.tag);
}

/// The sender that the first byte of a line chooses.
pub(crate) fn sender_of(line: &[u8]) -> Sender {
    let place = usize::from(line.first().copied().unwrap_or_default());
    Sender::ALL[place % Sender::ALL.len()]
}

/// Headers of the form `name:value`, with tabs in between; those that are none are left out.
pub(crate) fn headers_of(line: &[u8]) -> HeaderMap {
    let header = |pair: &[u8]| {
        let colon = pair.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(text(&pair[..colon]).as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(&pair[colon + 1..]).ok()?))
    };
    let pairs = line.split(|byte| *byte == b'\t').filter_map(header);
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use image_sync_fuzzkit::run_seeds;

    #[test]
    fn payloads_of_any_bytes_hold() {
        run_seeds("webhook_payload", super::webhook_payload).unwrap();
    }

    #[test]
    fn proofs_of_any_bytes_hold() {
        run_seeds("webhook_proof", super::webhook_proof).unwrap();
    }
}
