//! What the queues store, as bytes.
//!
//! A message has to fit into what a server takes: each is written smaller until it does, and at last as its id and the
//! reason.
//!
//! Who reads a message may be of another version than who wrote it: what is not known is put back, left out or shown as it
//! is, and never destroyed.

mod events;
mod presence;

use std::fmt;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::run::job::{Job, JobKind, MESSAGE_VERSION};
use image_sync_shared::text::{bounded, excerpt};
use serde::{Deserialize, Serialize};

pub(crate) use events::{LeftOut, decode_event, encode_event};
pub(crate) use presence::{decode_presence, encode_presence};

/// As much of a message that is no job as its dead letter shows, in bytes.
pub(crate) const MAX_RAW: usize = 64 * 1024;

/// What a message turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A job.
    Job(Box<Job>),
    /// Of a version or kind that this program does not know. Another program will: it must not be destroyed.
    Unknown(UnknownJob),
    /// No job, and why not.
    Undecodable(String),
}

/// What an unknown job says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct UnknownJob {
    /// Its version.
    pub(crate) v: u32,
    /// Its kind.
    #[serde(default)]
    pub(crate) kind: JobKind,
}

impl UnknownJob {
    /// Whether it is one that this program is not to look into.
    fn is_unknown(self) -> bool {
        self.v > MESSAGE_VERSION || matches!(self.kind, JobKind::Other(_))
    }
}

impl fmt::Display for UnknownJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a job {} of version {}", self.kind.name(), self.v)
    }
}

/// A job as JSON of at most `limit` bytes: whole, else without its past attempts.
pub(crate) fn encode_job(job: &Job, limit: usize) -> Result<Vec<u8>, QueueError> {
    let what = || format!("job {}", job.job_id);
    match first_that_fits(&[job], limit, &what) {
        Err(_) if !job.history.is_empty() => {
            first_that_fits(&[without_history(job.clone())], limit, &what)
        }
        written => written,
    }
}

/// What a message is, whoever wrote it: a job that is returned has ids that agree, and texts of some length at most.
#[must_use]
pub(crate) fn decode_job(bytes: &[u8]) -> Message {
    // The version first: a newer job need not have the form of these.
    let said = serde_json::from_slice::<UnknownJob>(bytes).ok();
    if let Some(unknown) = said.filter(|said| said.is_unknown()) {
        return Message::Unknown(unknown);
    }
    let error = match serde_json::from_slice::<Job>(bytes) {
        Ok(job) => match job.check_id() {
            Ok(()) => return Message::Job(Box::new(job)),
            Err(error) => error.to_string(),
        },
        Err(error) => bounded(error),
    };
    Message::Undecodable(bounded(format_args!("the message is no job: {error}")))
}

/// As much of it as a letter shows that has to be smaller.
const SMALL_RAW: usize = 1024;

/// A dead letter as JSON of at most `limit` bytes: whole, else without what its job has gone through, or with the start of
/// its message, else without either.
pub(crate) fn encode_letter(letter: &DeadLetter, limit: usize) -> Result<Vec<u8>, QueueError> {
    let what = || format!("dead letter {}", excerpt(&letter.id));
    let raw = |bytes| letter.raw.as_deref().map(|raw| start(raw, bytes));
    let whole = DeadLetter {
        raw: raw(MAX_RAW),
        ..letter.clone()
    };
    let smaller = DeadLetter {
        job: letter.job.clone().map(without_history),
        raw: raw(SMALL_RAW),
        ..letter.clone()
    };
    let smallest = DeadLetter {
        reason: excerpt(&letter.reason),
        job: None,
        raw: None,
        ..letter.clone()
    };
    first_that_fits(&[whole, smaller, smallest], limit, &what)
}

fn first_that_fits<T: Serialize>(
    forms: &[T],
    limit: usize,
    what: &dyn Fn() -> String,
) -> Result<Vec<u8>, QueueError> {
    let mut length = 0;
    for form in forms {
        let json = serde_json::to_vec(form).map_err(|error| {
            let what = what();
            QueueError::Refused(format!("{what} cannot be written: {}", excerpt(error)))
        })?;
        if json.len() <= limit {
            return Ok(json);
        }
        length = json.len();
    }
    let what = what();
    Err(QueueError::Refused(format!(
        "{what} has {length} bytes, and NATS takes {limit}: its max payload must be larger"
    )))
}

fn without_history(job: Job) -> Job {
    Job {
        history: Vec::new(),
        ..job
    }
}

fn start(text: &str, bytes: usize) -> String {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
    use image_sync_shared::run::RunEvent;
    use image_sync_shared::run::job::PastAttempt;
    use image_sync_shared::run::outcome::{Action, ImageResult, JobResult};
    use image_sync_shared::text::{MAX_TEXT, is_deceptive};

    use time::OffsetDateTime;

    use super::*;

    /// A job as a producer writes it.
    fn a_job() -> Job {
        let json = r#"{"v":1,"job_id":"r1:0","run_id":"r1","idx":0,"trigger":"cron","image":"a","tag":"1",
            "source":{"repository":"r.example/a","reference":"1"},
            "target":{"repository":"c.example/a","reference":"1"},
            "platforms":"linux/amd64","policy":{"timeout_secs":5},"attempt":1,
            "first_enqueued_at":"2026-11-27T14:00:00Z"}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_no_job_says_why() {
        for bytes in [
            &b""[..],
            b"hello",
            b"[]",
            b"{}",
            br#"{"v":1}"#,
            br#"{"v":"2"}"#,
            b"\xff\xfe",
        ] {
            let Message::Undecodable(reason) = decode_job(bytes) else {
                panic!("{:?} was decoded", String::from_utf8_lossy(bytes));
            };
            assert!(
                reason.starts_with("the message is no job: ") && reason.contains("line"),
                "{reason}"
            );
        }
    }

    #[test]
    fn what_is_wrong_with_a_message_is_told_in_a_few_clean_words() {
        let job = serde_json::to_value(a_job()).unwrap();
        let long = "\u{9b}A".repeat(300_000);
        for (field, value) in [
            ("run_id", serde_json::json!("x\r\ny")),
            ("run_id", long.clone().into()),
            ("job_id", "r1:1".into()),
            ("job_id", "x\r\ny:0".into()),
            ("job_id", long.clone().into()),
            ("trigger", 7.into()),
            ("idx", long.clone().into()),
            ("idx", (-1).into()),
            ("idx", 1e300.into()),
            ("platforms", long.clone().into()),
            (
                "target",
                serde_json::json!({"repository": "x/y", "reference": &long}),
            ),
            (
                "target",
                serde_json::json!({"repository": &long, "reference": "1"}),
            ),
            ("first_enqueued_at", "+12026-11-27T14:00:00Z".into()),
        ] {
            let mut message = job.clone();
            message[field] = value;
            let Message::Undecodable(reason) = decode_job(message.to_string().as_bytes()) else {
                panic!("{field} was taken");
            };
            assert!(reason.len() <= MAX_TEXT, "{}", reason.len());
            assert!(!reason.chars().any(is_deceptive), "{reason:?}");
        }
        let nested = format!("{{\"v\":1,\"job_id\":{}", "[".repeat(1_000_000));
        assert!(matches!(
            decode_job(nested.as_bytes()),
            Message::Undecodable(_)
        ));
    }

    #[test]
    fn a_job_of_any_size_is_written_again_in_a_few_bytes() {
        let mut message = serde_json::to_value(a_job()).unwrap();
        message["image"] = "\u{7f}".repeat(1_000_000).into();
        message["unknown"] = "x".repeat(1_000_000).into();
        let Message::Job(job) = decode_job(message.to_string().as_bytes()) else {
            panic!("it is a job");
        };
        assert!(encode_job(&job, usize::MAX).unwrap().len() < 3 * MAX_TEXT);
    }

    #[test]
    fn a_newer_version_is_told_by_its_number_whatever_else_it_holds() {
        let message = br#"{"v":4,"what":["nobody","knows"]}"#;
        let unknown = UnknownJob {
            v: 4,
            kind: JobKind::CheckAndCopy,
        };
        assert_eq!(decode_job(message), Message::Unknown(unknown));
    }

    #[test]
    fn a_job_of_an_unknown_kind_is_told_by_it_whatever_else_it_holds() {
        let mut like_ours = serde_json::to_value(a_job()).unwrap();
        like_ours["kind"] = "delete".into();
        for message in [
            like_ours.to_string().as_str(),
            r#"{"v":1,"kind":"delete","digest":"sha256:ab"}"#,
            r#"{"v":1,"kind":{"delete":{"after":"30d"}}}"#,
        ] {
            let Message::Unknown(unknown) = decode_job(message.as_bytes()) else {
                panic!("{message} was taken");
            };
            assert_eq!(unknown.to_string(), "a job delete of version 1");
        }
        let mut known = serde_json::to_value(a_job()).unwrap();
        known["kind"] = "check_and_copy".into();
        let known = decode_job(known.to_string().as_bytes());
        assert_eq!(
            known,
            Message::Job(Box::new(a_job())),
            "it goes without saying"
        );
    }

    #[test]
    fn messages_of_the_version_before_are_read_and_said_again_in_the_same_words() {
        // As they were written before jobs had kinds and events versions.
        let recorded = include_str!("../fixtures/messages-before-kinds.txt");
        let mut read = std::collections::BTreeMap::new();
        for line in recorded.lines() {
            let (what, json) = line.split_once(' ').unwrap();
            *read.entry(what).or_insert(0) += 1;
            let again = match what {
                "JOB" => {
                    let Message::Job(job) = decode_job(json.as_bytes()) else {
                        panic!("{json} is no job")
                    };
                    assert_eq!(job.kind, JobKind::CheckAndCopy);
                    encode_job(&job, MIB).unwrap()
                }
                "LETTER" => {
                    let letter: DeadLetter = serde_json::from_str(json).unwrap();
                    assert_eq!(letter.job.as_ref().unwrap().history.len(), 2);
                    encode_letter(&letter, MIB).unwrap()
                }
                _ => {
                    let event = decode_event(json.as_bytes()).unwrap();
                    let again = encode_event(&event, MIB).unwrap();
                    assert!(again.starts_with(br#"{"v":1,"#));
                    [b"{", &again[br#"{"v":1,"#.len()..]].concat()
                }
            };
            // The one word that is said in another way: the version before takes it for one that it does not know.
            let expected = json.replace(r#""trigger":"cron""#, r#""trigger":"schedule""#);
            assert_eq!(String::from_utf8(again).unwrap(), expected);
        }
        let kinds = [("EVENT", 6), ("JOB", 2), ("LETTER", 1)];
        assert_eq!(read.into_iter().collect::<Vec<_>>(), kinds);
    }

    #[test]
    fn a_job_is_read_although_its_past_is_told_in_words_of_another_version() {
        let mut job = serde_json::to_value(a_letter().job.unwrap()).unwrap();
        let past = job["history"][0].clone();
        let with = |field: &str, value: &str| {
            let mut past = past.clone();
            past["failure"][field] = value.into();
            past
        };
        job["trigger"] = "schedule".into();
        let history = [
            with("class", "quota_exceeded"),
            with("step", "sign"),
            with("side", "mirror"),
        ];
        job["history"] = history.to_vec().into();
        let Message::Job(read) = decode_job(job.to_string().as_bytes()) else {
            panic!("it is a job")
        };
        assert_eq!(read.trigger.name(), "schedule");
        let told: Vec<&str> = read
            .history
            .iter()
            .map(|past| past.failure.class.name())
            .collect();
        assert_eq!(
            told,
            ["quota_exceeded", "timeout"],
            "a third side is left out"
        );
        assert_eq!(read.history[1].failure.step.name(), "sign");
        let again = encode_job(&read, MIB).unwrap();
        assert_eq!(decode_job(&again), Message::Job(read));
    }

    const MIB: usize = 1024 * 1024;

    fn a_letter() -> DeadLetter {
        let mut job = a_job();
        let evil = "\"\u{fffd}".repeat(500_000);
        let failure = Failure::new(
            Side::Source,
            Step::Check,
            &evil,
            FailureClass::Timeout,
            &evil,
        );
        job.history = vec![
            PastAttempt {
                at: OffsetDateTime::UNIX_EPOCH,
                failure,
            };
            5
        ];
        DeadLetter {
            id: job.job_id.to_string(),
            died_at: OffsetDateTime::UNIX_EPOCH,
            reason: evil.clone(),
            job: Some(job),
            raw: Some("\0".repeat(MIB)),
        }
    }

    #[test]
    fn a_dead_letter_fits_whatever_a_server_takes_and_keeps_its_id_and_reason() {
        let whole = a_letter();
        for (limit, has_job) in [(MIB, true), (12_000, true), (2_000, false), (500, false)] {
            let json = encode_letter(&whole, limit).unwrap();
            assert!(json.len() <= limit, "{} of {limit}", json.len());
            let read: DeadLetter = serde_json::from_slice(&json).unwrap();
            assert_eq!((&read.id, read.job.is_some()), (&whole.id, has_job));
            assert!(read.reason.starts_with("\"\u{fffd}\""), "{}", read.reason);
        }
        let error = encode_letter(&whole, 100).unwrap_err().to_string();
        assert!(error.contains("NATS takes 100"), "{error}");
    }

    #[test]
    fn a_result_fits_whatever_a_server_takes_and_keeps_its_place_and_reason() {
        let evil = "\"\u{fffd}".repeat(500_000);
        let result = RunEvent::Result(Box::new(JobResult {
            idx: 7,
            worker: evil.clone(),
            class: Some(FailureClass::Invalid),
            mac: None,
            entry: ImageResult {
                image: evil.clone(),
                tag: evil.clone(),
                error: Some(evil.clone()),
                target: evil.clone(),
                platform: evil.clone(),
                ..image_sync_testkit::samples::entry(7, Action::Failed)
            },
        }));
        for limit in [MIB, 4_000, 1_200] {
            let json = encode_event(&result, limit).unwrap();
            assert!(json.len() <= limit, "{} of {limit}", json.len());
            let RunEvent::Result(read) = serde_json::from_slice(&json).unwrap() else {
                panic!("another event");
            };
            assert_eq!((read.idx, read.class), (7, Some(FailureClass::Invalid)));
            assert!(read.entry.error.unwrap().starts_with("\"\u{fffd}\""));
        }
        let attempt = RunEvent::Attempt {
            idx: 7,
            attempt: 1,
            defers: 0,
            error: evil,
            due: None,
            bytes_copied: 0,
        };
        assert!(encode_event(&attempt, 500).unwrap().len() <= 500);
    }

    #[test]
    fn a_job_that_does_not_fit_is_put_back_without_its_past_attempts() {
        let job_of_letter = a_letter().job.unwrap();
        let small = encode_job(&job_of_letter, 2_000).unwrap();
        let read: Job = serde_json::from_slice(&small).unwrap();
        assert_eq!(read, without_history(job_of_letter.clone()));
        let error = encode_job(&job_of_letter, 100).unwrap_err().to_string();
        assert!(error.contains("job r1:0 has"), "{error}");
    }
}
