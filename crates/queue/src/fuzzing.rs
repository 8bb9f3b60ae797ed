//! The bodies of fuzz targets: messages that anybody with a role's credential may have written.

use std::fmt::Debug;

use image_sync_fuzzkit::assert_presentable;
use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::{RunEvent, RunId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::messages::{self, Message};

/// A job, an event of a run's log, a dead letter or what a member of the fleet tells: what is decoded is encoded to what decodes to the same, and its id fits
/// into a header.
pub fn message(input: &[u8]) {
    match messages::decode_job(input) {
        Message::Job(job) => {
            assert_header(&job.message_id());
            assert_header(job.run_id.as_str());
            let encoded = messages::encode_job(&job, usize::MAX).unwrap_or_default();
            fits_where_it_must(&job);
            assert_eq!(messages::decode_job(&encoded), Message::Job(job));
        }
        Message::Unknown(unknown) => assert_presentable(&unknown.to_string()),
        Message::Undecodable(reason) => assert_presentable(&reason),
    }
    if let Err(reason) = messages::decode_event(input) {
        assert_presentable(&reason);
    }
    if let Some(event) = read_and_written::<RunEvent>(input) {
        assert_header(&event.message_id(&RunId::new("01JD3X")));
    }
    read_and_written::<DeadLetter>(input);
    match messages::decode_presence(input) {
        Ok(about) => {
            let encoded = messages::encode_presence(&about, usize::MAX).unwrap_or_default();
            assert_eq!(messages::decode_presence(&encoded), Ok(about));
        }
        Err(reason) => assert_presentable(&reason),
    }
}

/// Expects a job that is written smaller to be the same job still.
fn fits_where_it_must(job: &Job) {
    for limit in [2048, 16 * 1024] {
        if let Ok(encoded) = messages::encode_job(job, limit) {
            assert!(encoded.len() <= limit, "{} bytes", encoded.len());
            let Message::Job(smaller) = messages::decode_job(&encoded) else {
                unreachable!("{} is no job", encoded.escape_ascii())
            };
            assert_eq!(smaller.message_id(), job.message_id());
        }
    }
}

/// Expects one line of visible characters (NATS, "Headers").
fn assert_header(value: &str) {
    let fits = value.len() <= 256 && value.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(fits, "{value:?} as a header");
}

fn read_and_written<T: DeserializeOwned + Serialize + Debug + PartialEq>(
    input: &[u8],
) -> Option<T> {
    let read = serde_json::from_slice::<T>(input).ok()?;
    let written = serde_json::to_vec(&read).unwrap_or_default();
    let again = serde_json::from_slice(&written).ok();
    assert_eq!(again.as_ref(), Some(&read));
    Some(read)
}

#[cfg(test)]
mod tests {
    use image_sync_fuzzkit::run_seeds;

    #[test]
    fn messages_of_any_bytes_hold() {
        run_seeds("message", super::message).unwrap();
    }
}
