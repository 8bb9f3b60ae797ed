//! Jobs as bytes.

use image_sync_shared::job::{Job, MESSAGE_VERSION};
use image_sync_shared::ports::QueueError;
use serde::Deserialize;

/// What a message turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
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

pub(crate) fn encode(job: &Job) -> Result<Vec<u8>, QueueError> {
    serde_json::to_vec(job).map_err(|error| {
        QueueError::Refused(format!("job {} cannot be written: {error}", job.job_id))
    })
}

pub(crate) fn decode(bytes: &[u8]) -> Message {
    match serde_json::from_slice::<Job>(bytes) {
        Ok(job) if job.v <= MESSAGE_VERSION => Message::Job(Box::new(job)),
        Ok(job) => Message::Newer(job.v),
        Err(error) => match serde_json::from_slice::<Versioned>(bytes) {
            Ok(Versioned { v }) if v > MESSAGE_VERSION => Message::Newer(v),
            _ => Message::Undecodable(format!("the message is no job: {error}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_newer_version_is_told_by_its_number_whatever_else_it_holds() {
        let message = br#"{"v":2,"what":["nobody","knows"]}"#;
        assert_eq!(decode(message), Message::Newer(2));
    }
}
