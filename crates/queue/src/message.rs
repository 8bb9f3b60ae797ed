//! Jobs as bytes.

use image_sync_shared::job::{Job, MESSAGE_VERSION};
use image_sync_shared::ports::QueueError;
use image_sync_shared::text::bounded;
use serde::Deserialize;

use crate::smaller;

/// What a message turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// A job.
    Job(Box<Job>),
    /// Of a version that this program does not know. A newer program will: it must not be destroyed.
    Newer(u32),
    /// No job, and why not.
    Undecodable(String),
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

/// A job as a message of at most `limit` bytes.
pub(crate) fn encode(job: &Job, limit: usize) -> Result<Vec<u8>, QueueError> {
    smaller::job(job, limit)
}

/// What a message is, whoever wrote it: a job that is returned has ids that agree, and texts of some length at most.
#[must_use]
pub fn decode(bytes: &[u8]) -> Message {
    let error = match serde_json::from_slice::<Job>(bytes) {
        Ok(job) if job.v > MESSAGE_VERSION => return Message::Newer(job.v),
        Ok(job) => match job.check_id() {
            Ok(()) => return Message::Job(Box::new(job)),
            Err(error) => error.to_string(),
        },
        Err(error) => match serde_json::from_slice::<Versioned>(bytes) {
            Ok(Versioned { v }) if v > MESSAGE_VERSION => return Message::Newer(v),
            _ => bounded(error),
        },
    };
    Message::Undecodable(bounded(format_args!("the message is no job: {error}")))
}

#[cfg(test)]
pub(crate) mod tests {
    use image_sync_shared::text::{MAX_TEXT, is_deceptive};

    use super::*;

    /// A job as a producer writes it.
    pub(crate) fn a_job() -> Job {
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
            let Message::Undecodable(reason) = decode(bytes) else {
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
            ("trigger", long.clone().into()),
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
            let Message::Undecodable(reason) = decode(message.to_string().as_bytes()) else {
                panic!("{field} was taken");
            };
            assert!(reason.len() <= MAX_TEXT, "{}", reason.len());
            assert!(!reason.chars().any(is_deceptive), "{reason:?}");
        }
        let nested = format!("{{\"v\":1,\"job_id\":{}", "[".repeat(1_000_000));
        assert!(matches!(decode(nested.as_bytes()), Message::Undecodable(_)));
    }

    #[test]
    fn a_job_of_any_size_is_written_again_in_a_few_bytes() {
        let mut message = serde_json::to_value(a_job()).unwrap();
        message["image"] = "\u{7f}".repeat(1_000_000).into();
        message["unknown"] = "x".repeat(1_000_000).into();
        let Message::Job(job) = decode(message.to_string().as_bytes()) else {
            panic!("it is a job");
        };
        assert!(encode(&job, usize::MAX).unwrap().len() < 3 * MAX_TEXT);
    }

    #[test]
    fn a_newer_version_is_told_by_its_number_whatever_else_it_holds() {
        let message = br#"{"v":2,"what":["nobody","knows"]}"#;
        assert_eq!(decode(message), Message::Newer(2));
    }
}
