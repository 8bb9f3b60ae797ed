//! How much an installation has to do, for those who watch it.

use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::backlog::{Backlog, Fill, LaneLength, Length};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::stalled;
use crate::jetstream::client::{Connection, Retries};
use crate::jetstream::names::{Consumer, Role};
use crate::jetstream::state::JetStreamReports;
use crate::jetstream::streams::{StreamInfo, stream_info};

/// For how long an answer is good: many may ask, and the server has other work.
const FRESH: Duration = Duration::from_secs(5);

/// Tells how much an installation has to do, as far as a role sees it.
pub(crate) struct JetStreamBacklog {
    connection: Connection,
    role: Role,
    last: Mutex<Option<CachedLength>>,
}

/// What was seen last.
struct CachedLength {
    at: Instant,
    /// The number of the connection over which it was seen: after another one all may be different.
    connection: u64,
    length: Length,
}

impl JetStreamBacklog {
    pub(crate) fn new(connection: Connection, role: Role) -> Self {
        Self {
            connection,
            role,
            last: Mutex::default(),
        }
    }

    async fn fresh_length(&self) -> Result<Length, QueueError> {
        let (names, mut length) = (self.connection.names(), Length::default());
        for stream in self.role.streams(names) {
            let StreamInfo { config, state } =
                stream_info(&self.connection, &stream, Retries::None).await?;
            if stream == names.dead_letters() {
                length.dead_letters = Some(state.messages);
            }
            length.stores.push(Fill {
                store: names.holds(&stream),
                bytes: state.bytes,
                max_bytes: config.max_bytes(),
            });
        }
        if self.role == Role::Aggregator {
            let history = JetStreamReports::new(self.connection.clone())
                .history()
                .await?;
            length.history = history.lasts;
        }
        if self.role.takes_jobs() {
            for consumer in Consumer::ALL {
                let state = self.connection.consumer_state(consumer).await?;
                length.jobs.push(LaneLength {
                    lane: consumer.name(),
                    stored: state.num_pending + state.num_ack_pending,
                    in_hand: state.num_ack_pending,
                });
            }
        }
        Ok(length)
    }
}

#[async_trait]
impl Backlog for JetStreamBacklog {
    async fn length(&self) -> Result<Length, QueueError> {
        if !self.connection.is_connected() {
            return Err(QueueError::Unreachable("not connected to NATS".to_owned()));
        }
        // Who asks meanwhile waits for the same answer.
        let mut last = self.last.lock().await;
        let connection = *self.connection.events().connections().borrow();
        let is_fresh =
            |seen: &&CachedLength| seen.connection == connection && seen.at.elapsed() < FRESH;
        if let Some(seen) = last.as_ref().filter(is_fresh) {
            return Ok(seen.length.clone());
        }
        let length = self.fresh_length().await?;
        *last = Some(CachedLength {
            at: Instant::now(),
            connection,
            length: length.clone(),
        });
        Ok(length)
    }

    fn hindrance(&self) -> Option<String> {
        self.connection.hindrance()
    }

    async fn is_deserted(&self) -> Result<bool, QueueError> {
        stalled::is_deserted(&self.connection).await
    }
}
