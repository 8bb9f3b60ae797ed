//! Events of the logs of runs, as bytes.
//!
//! A log is written by roles of several versions, and read by those of others. So an event says which version wrote it, a
//! reader leaves out what it does not understand and goes on behind it, and of a result it takes whatever it understands: a
//! run would wait for one that is left out until its deadline.

use image_sync_shared::ports::QueueError;
use image_sync_shared::run::outcome::{Action, BlobCounts, ImageResult, JobResult};
use image_sync_shared::run::{EVENT_VERSION, RunEvent, RunId};
use image_sync_shared::text::timestamp;
use image_sync_shared::text::{bounded, excerpt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::first_that_fits;

/// An event with the version of who wrote it, which events of the version before do not say.
#[derive(Serialize)]
struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    event: T,
}

/// What every event says of itself.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Heading {
    v: Option<u32>,
    event: String,
}

/// An event as JSON of at most `limit` bytes: whole, else with its texts cut, else without those that its log has elsewhere.
pub(crate) fn encode_event(event: &RunEvent, limit: usize) -> Result<Vec<u8>, QueueError> {
    let what = || "an event of a run".to_owned();
    let forms: Vec<Versioned<RunEvent>> = match event {
        RunEvent::Result(result) => {
            let with = |entry| {
                let mut result = result.clone();
                result.worker = excerpt(&result.worker);
                result.entry = entry;
                RunEvent::Result(result)
            };
            let (cut, bare) = (cut(&result.entry), bare(&result.entry));
            [event.clone(), with(cut), with(bare)].map(versioned).into()
        }
        RunEvent::Attempt {
            idx,
            attempt,
            defers,
            error,
            due,
            bytes_copied,
        } => {
            let cut = RunEvent::Attempt {
                idx: *idx,
                attempt: *attempt,
                defers: *defers,
                error: excerpt(error),
                due: *due,
                bytes_copied: *bytes_copied,
            };
            [event.clone(), cut].map(versioned).into()
        }
        _ => return first_that_fits(&[versioned(event)], limit, &what),
    };
    first_that_fits(&forms, limit, &what)
}

fn versioned<T>(event: T) -> Versioned<T> {
    Versioned {
        v: EVENT_VERSION,
        event,
    }
}

fn cut(entry: &ImageResult) -> ImageResult {
    ImageResult {
        image: excerpt(&entry.image),
        tag: excerpt(&entry.tag),
        error: entry.error.as_ref().map(excerpt),
        failure: entry.failure.as_ref().map(|it| Box::new(it.cut())),
        target: excerpt(&entry.target),
        platform: excerpt(&entry.platform),
        ..entry.clone()
    }
}

/// The names of an image stand in the log of its run besides.
fn bare(entry: &ImageResult) -> ImageResult {
    ImageResult {
        image: String::new(),
        tag: String::new(),
        target: String::new(),
        platform: String::new(),
        failure: None,
        ..cut(entry)
    }
}

/// What a message of a log is, or why it is no event that this program knows.
pub(crate) fn decode_event(bytes: &[u8]) -> Result<RunEvent, String> {
    let error = match serde_json::from_slice(bytes) {
        Ok(event) => return Ok(event),
        Err(error) => error,
    };
    let heading = serde_json::from_slice::<Heading>(bytes).unwrap_or_default();
    let result = (heading.event == "result").then(|| result_in_parts(bytes));
    result.flatten().ok_or_else(|| {
        let kind = excerpt(&heading.event);
        let version = heading
            .v
            .map_or_else(String::new, |v| format!(" of version {v}"));
        bounded(format_args!("an event {kind:?}{version}: {error}"))
    })
}

/// A result of which a part has a form that this program does not know, without that part: that there is one counts most.
fn result_in_parts(bytes: &[u8]) -> Option<RunEvent> {
    let Value::Object(mut result) = serde_json::from_slice(bytes).ok()? else {
        return None;
    };
    let Some(Value::Object(mut entry)) = result.remove("entry") else {
        return None;
    };
    let text = |entry: &mut Map<String, Value>, field| {
        bounded(part::<String>(entry, field).unwrap_or_default())
    };
    let time = |entry: &mut Map<String, Value>, field| {
        part::<String>(entry, field).and_then(|text| timestamp::parsed(&text))
    };
    Some(RunEvent::Result(Box::new(JobResult {
        idx: part(&mut result, "idx")?,
        worker: text(&mut result, "worker"),
        class: part(&mut result, "class"),
        mac: part(&mut result, "mac"),
        entry: ImageResult {
            image: text(&mut entry, "image"),
            tag: text(&mut entry, "tag"),
            action: part(&mut entry, "action").unwrap_or_else(|| Action::from("unknown")),
            remote_digest: part(&mut entry, "remote_digest"),
            cached_digest: part(&mut entry, "cached_digest"),
            duration_ms: part(&mut entry, "duration_ms").unwrap_or_default(),
            error: part::<String>(&mut entry, "error").map(bounded),
            failure: part(&mut entry, "failure"),
            started_at: time(&mut entry, "started_at"),
            ended_at: time(&mut entry, "ended_at"),
            target: text(&mut entry, "target"),
            platform: text(&mut entry, "platform"),
            expected_digest: part(&mut entry, "expected_digest"),
            attempts: part(&mut entry, "attempts").unwrap_or(1),
            bytes_copied: part(&mut entry, "bytes_copied").unwrap_or_default(),
            blobs: part(&mut entry, "blobs").unwrap_or_else(BlobCounts::default),
            would_copy: part(&mut entry, "would_copy"),
            note: part::<String>(&mut entry, "note").map(bounded),
            attestations_left_out: part(&mut entry, "attestations_left_out").unwrap_or_default(),
            artifacts: part(&mut entry, "artifacts"),
        },
    })))
}

fn part<T: DeserializeOwned>(of: &mut Map<String, Value>, field: &str) -> Option<T> {
    serde_json::from_value(of.remove(field)?).ok()
}

/// What a reader of a log has left out, of which it tells once.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    is_told: bool,
}

impl LeftOut {
    /// Says that an event of `run`, at this place of its log, is left out.
    pub(crate) fn tell(&mut self, run: &RunId, place: u64, why: &str) {
        if std::mem::replace(&mut self.is_told, true) {
            tracing::debug!(run_id = %run, place, why, "left out an event of a run");
        } else {
            tracing::warn!(
                run_id = %run, place, why,
                "left out an event of a run, as of another version, and will leave out all that are like it"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::failure::FailureClass;
    use image_sync_shared::run::outcome::ResultKind;
    use serde_json::json;

    use super::*;

    fn decode(event: &Value) -> Result<RunEvent, String> {
        decode_event(event.to_string().as_bytes())
    }

    #[test]
    fn an_event_says_its_version_and_is_read_whatever_that_is() {
        let seal = RunEvent::Seal { expected: 7 };
        let json = encode_event(&seal, 100).unwrap();
        assert_eq!(json, br#"{"v":1,"event":"seal","expected":7}"#);
        assert_eq!(decode_event(&json).unwrap(), seal);
        let newer = json!({"v": 99, "event": "seal", "expected": 7, "more": []});
        assert_eq!(decode(&newer).unwrap(), seal);
    }

    #[test]
    fn an_unknown_event_is_told_by_its_kind_and_version_in_a_few_clean_words() {
        let why = decode(&json!({"v": 2, "event": "split", "at": 7})).unwrap_err();
        assert!(
            why.starts_with(r#"an event "split" of version 2: "#),
            "{why}"
        );
        let evil = decode(&json!({"event": "\u{9b}2J".repeat(100_000)})).unwrap_err();
        assert!(evil.len() <= 1024 && !evil.contains('\u{9b}'), "{evil}");
        for no_event in [
            json!([]),
            json!({"event": 1}),
            json!({"event": "result", "idx": 1}),
        ] {
            assert!(decode(&no_event).is_err(), "{no_event}");
        }
    }

    #[test]
    fn a_result_counts_although_a_part_of_it_has_another_form() {
        let entry = json!({
            "image": "a", "tag": "1", "target": "c.test/a:1", "platform": "all", "action": {"signed": {"by": "k"}},
            "remote_digest": "sha3:ab", "error": null, "blobs": [1, 2, 3], "attempts": 2,
        });
        let result =
            json!({"v": 2, "event": "result", "idx": 7, "worker": "w", "class": 5, "entry": entry});
        let RunEvent::Result(result) = decode(&result).unwrap() else {
            panic!("another event")
        };
        assert_eq!((result.idx, result.class), (7, None));
        assert_eq!(
            (result.entry.image.as_str(), result.entry.attempts),
            ("a", 2)
        );
        assert_eq!(result.entry.action.name(), "signed");
        assert_eq!(result.entry.kind(), ResultKind::Other);
        let failed =
            json!({"event": "result", "idx": 7, "class": {"denied": {}}, "entry": {"action": 1}});
        let RunEvent::Result(failed) = decode(&failed).unwrap() else {
            panic!("another event")
        };
        assert_eq!(failed.class, Some(FailureClass::Denied));
        let entry = failed.with_class_in_entry().entry;
        assert_eq!(entry.kind(), ResultKind::Failed, "it says so");
    }
}
