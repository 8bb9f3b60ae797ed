//! The times of an installation that who works there has to keep to.

use std::time::Duration;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::job_queue::Lane;
use serde_json::Value;

use crate::jetstream::client::Connection;
use crate::jetstream::names::{Consumer, bucket_stream};
use crate::jetstream::streams::{consumer_config, stream_config};

/// How long a job may be out unsettled before it comes again, in the lane that waits least.
pub(crate) async fn visibility(connection: &Connection) -> Result<Duration, QueueError> {
    let (names, mut visibility) = (connection.names(), Duration::MAX);
    for lane in Lane::ALL {
        let consumer = Consumer::Lane(lane).name();
        let found = consumer_config(connection, &names.jobs(), consumer).await?;
        visibility = visibility.min(duration(found.as_ref(), "ack_wait"));
    }
    Ok(visibility)
}

/// How long a lease lasts that is not renewed.
pub(crate) async fn lease_term(connection: &Connection) -> Result<Duration, QueueError> {
    let leases = bucket_stream(&connection.names().leases());
    let found = stream_config(connection, &leases).await?;
    Ok(duration(found.as_ref(), "max_age"))
}

/// A time of a config, which is in nanoseconds; none, or 0, is no limit.
fn duration(config: Option<&Value>, field: &str) -> Duration {
    let nanoseconds = config.and_then(|config| config.get(field)?.as_u64());
    match nanoseconds {
        None | Some(0) => Duration::MAX,
        Some(nanoseconds) => Duration::from_nanos(nanoseconds),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_config_does_not_limit_has_no_limit() {
        let config = json!({ "ack_wait": 2_000_000_000_u64, "max_age": 0 });
        let times = ["ack_wait", "max_age", "backoff"].map(|field| duration(Some(&config), field));
        assert_eq!(
            times,
            [Duration::from_secs(2), Duration::MAX, Duration::MAX]
        );
        assert_eq!(duration(None, "ack_wait"), Duration::MAX);
    }
}
