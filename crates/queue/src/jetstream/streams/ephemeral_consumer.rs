//! Consumers that nobody else uses and that acknowledge nothing. Making one tells the server's time, whatever its version.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use image_sync_shared::ports::QueueError;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::jetstream::client::{Connection, Retries};

/// After how long without a request the server forgets the consumer.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// A consumer. The server forgets one in time, but who makes one each second would leave many: so it is deleted with this.
pub(super) struct EphemeralConsumer {
    connection: Connection,
    stream: String,
    name: String,
}

#[derive(Deserialize)]
struct CreatedConsumer {
    #[serde(with = "time::serde::rfc3339")]
    created: OffsetDateTime,
}

impl EphemeralConsumer {
    /// Makes a consumer of what `stream` has on `filter` from the place `start` on.
    pub(crate) async fn make(
        connection: &Connection,
        stream: &str,
        filter: &str,
        start: u64,
    ) -> Result<Self, QueueError> {
        let name = connection.unique_name();
        let body = body(stream, filter, &name, start);
        // With the filter in the subject, permissions can tell what may be read of a stream.
        let subject = format!("CONSUMER.CREATE.{stream}.{name}.{filter}");
        let asked = Instant::now();
        let made = connection
            .api::<CreatedConsumer>(&subject, &body, Retries::None)
            .await?;
        let made = made.map_err(|error| error.refusing(&format!("reading stream {stream}")))?;
        connection.server_time().told(made.created, asked);
        Ok(Self {
            connection: connection.clone(),
            stream: stream.to_owned(),
            name,
        })
    }

    /// Where its messages are asked for.
    pub(crate) fn next_subject(&self) -> String {
        format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.stream, self.name)
    }
}

impl Drop for EphemeralConsumer {
    fn drop(&mut self) {
        // As it was last: where it has died nothing can be sent, and the server forgets the consumer by itself.
        let client = self.connection.shared.client.last();
        let subject = format!("$JS.API.CONSUMER.DELETE.{}.{}", self.stream, self.name);
        let deleted = client.publish_with_reply(subject, client.new_inbox(), Bytes::new());
        // It need not wait unless much else is under way.
        deleted.now_or_never();
    }
}

fn body(stream: &str, filter: &str, name: &str, start: u64) -> Value {
    json!({
        "stream_name": stream,
        "config": {
            "name": name,
            "filter_subject": filter,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": start,
            "ack_policy": "none",
            "replay_policy": "instant",
            "inactive_threshold": FORGOTTEN_AFTER.as_nanos(),
            // It need not outlast its server: whoever reads makes another, from the place that was read last.
            "mem_storage": true,
            "num_replicas": 1,
        },
    })
}
