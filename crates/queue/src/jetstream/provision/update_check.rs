//! Whether what there is can become what it should be, without a loss.

use async_nats::jetstream::stream::{Config, RetentionPolicy};
use serde_json::Value;
use time::OffsetDateTime;

use super::difference::first_difference_in;
use super::error::ProvisionError;
use super::value;
use super::verify::STREAM_KIND;
use crate::jetstream::streams::{StreamInfo, stream_object};

/// Why `found` cannot become `asked`, if so. Only jobs are lost with their age: all else is kept for a time and no longer.
pub(crate) fn check(
    asked: &Config,
    found: &StreamInfo<Value>,
    now: OffsetDateTime,
) -> Result<(), ProvisionError> {
    let object = stream_object(&asked.name);
    if let Some(difference) = first_difference_in(&STREAM_KIND, &value(asked)?, &found.config) {
        return Err(ProvisionError::Different { object, difference });
    }
    let limit = |field: &str| found.config.get(field).and_then(Value::as_i64);
    let held = &found.state;
    let is_jobs = asked.retention == RetentionPolicy::WorkQueue;
    // Half of the stream of jobs is for those that are put back.
    let needed = held.bytes.saturating_mul(if is_jobs { 2 } else { 1 });
    let is_smaller = limit("max_bytes").is_none_or(|max| max <= 0 || asked.max_bytes < max);
    if is_smaller && u64::try_from(asked.max_bytes).is_ok_and(|max| max < needed) {
        return Err(ProvisionError::Loss(format!(
            "{object} holds {} bytes and needs {needed}, more than {}",
            held.bytes, asked.max_bytes
        )));
    }
    // A clock here that is behind must not make jobs younger.
    let age = now.max(held.last_ts) - held.first_ts;
    if is_jobs && held.messages > 0 && age > asked.max_age {
        return Err(ProvisionError::Loss(format!(
            "{object} holds a job that is {} s old, older than {} s",
            age.whole_seconds(),
            asked.max_age.as_secs()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_nats::jetstream::stream::DiscardPolicy;
    use serde_json::json;
    use time::macros::datetime;

    use super::*;
    use crate::jetstream::streams::StreamState;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    fn asked(retention: RetentionPolicy) -> Config {
        Config {
            name: "S".to_owned(),
            retention,
            discard: DiscardPolicy::New,
            max_bytes: 1_000,
            max_age: Duration::from_secs(60),
            ..Config::default()
        }
    }

    /// Why a stream that holds so many bytes, the first for so long, cannot be made so.
    fn refusal(asked: &Config, max_bytes: i64, bytes: u64, seconds: u64) -> Option<String> {
        refusal_at(NOW, asked, max_bytes, bytes, seconds)
    }

    /// The same where the clock shows `now`, and the last message was stored at [`NOW`].
    fn refusal_at(
        now: OffsetDateTime,
        asked: &Config,
        max_bytes: i64,
        bytes: u64,
        seconds: u64,
    ) -> Option<String> {
        let config = Config {
            max_bytes,
            ..asked.clone()
        };
        let found = StreamInfo {
            config: json!(config),
            state: StreamState {
                messages: 1,
                bytes,
                first_ts: NOW - Duration::from_secs(seconds),
                last_ts: NOW,
                last_seq: 1,
                subjects: None,
            },
        };
        check(asked, &found, now)
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn a_stream_does_not_become_smaller_than_what_it_holds() {
        let asked = asked(RetentionPolicy::Limits);
        assert_eq!(refusal(&asked, 2_000, 1_000, 0), None);
        assert!(
            refusal(&asked, 2_000, 1_001, 0)
                .unwrap()
                .contains("1001 bytes")
        );
        assert!(refusal(&asked, -1, 1_001, 0).is_some(), "it had no limit");
        assert_eq!(refusal(&asked, 900, 1_001, 0), None, "it becomes larger");
        assert_eq!(
            refusal(&asked, 2_000, 1_000, 61),
            None,
            "what is old may go"
        );
    }

    #[test]
    fn jobs_need_twice_the_room_and_keep_their_time() {
        let asked = asked(RetentionPolicy::WorkQueue);
        assert_eq!(refusal(&asked, 2_000, 500, 60), None);
        assert!(refusal(&asked, 2_000, 501, 60).is_some());
        assert!(
            refusal(&asked, 2_000, 500, 61)
                .unwrap()
                .contains("61 s old")
        );
        let behind = NOW - Duration::from_secs(600);
        assert!(refusal_at(behind, &asked, 2_000, 500, 61).is_some());
    }
}
