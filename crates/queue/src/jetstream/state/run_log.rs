//! The logs of runs in one stream, a subject per run and kind of event.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::HeaderMap;
use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::runs::run_log::{LogPlace, RunFrame, RunLog, RunLogReader};
use image_sync_shared::run::{RunEvent, RunId};

use crate::jetstream::client::{Connection, Retries};
use crate::jetstream::names::{MESSAGE_ID, set_header};
use crate::jetstream::streams::{
    OrderedConsumer, StreamInfo, stream_config, stream_info_with_subjects,
};
use crate::messages::{self, LeftOut};

/// What an image takes in the log of its run, if its first attempt is good, in bytes.
const PER_IMAGE: u64 = 1120;

async fn check(connection: &Connection, images: usize) -> Result<(), QueueError> {
    let stream = connection.names().run_log();
    let config = stream_config(connection, &stream).await?;
    let limit = config.and_then(|config| config.get("max_bytes")?.as_u64());
    let needed = PER_IMAGE.saturating_mul(u64::try_from(images).unwrap_or(u64::MAX));
    match limit {
        Some(limit) if limit < needed => Err(QueueError::Full(format!(
            "the log of {images} images takes some {needed} bytes, and stream {stream} has {limit}: provision a larger \
             one (--log-max-bytes)"
        ))),
        _ => Ok(()),
    }
}

/// Keeps the logs of one installation.
pub(crate) struct JetStreamRunLog {
    connection: Connection,
}

impl JetStreamRunLog {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }
}

#[async_trait]
impl RunLog for JetStreamRunLog {
    async fn append(&self, run: &RunId, event: &RunEvent) -> Result<(), QueueError> {
        let id = event.message_id(run);
        let subject = self.connection.names().event(run, event);
        let mut headers = HeaderMap::new();
        set_header(&mut headers, MESSAGE_ID, &id)?;
        let payload = messages::encode_event(event, self.connection.max_payload_beside(&headers))?;
        let stored =
            self.connection
                .publish(&subject, &headers, payload.into(), Retries::UntilRoom);
        stored.await.map(drop)
    }

    async fn read(&self, run: &RunId) -> Result<Box<dyn RunLogReader>, QueueError> {
        let subjects = self.connection.names().events_of(run);
        Ok(Box::new(Reader::new(&self.connection, run, subjects)))
    }

    async fn frame(&self, run: &RunId) -> Result<RunFrame, QueueError> {
        frame(&self.connection, run).await
    }

    async fn check_room(&self, images: usize) -> Result<(), QueueError> {
        check(&self.connection, images).await
    }
}

/// Reads the frame of a run, and nothing between.
async fn frame(connection: &Connection, run: &RunId) -> Result<RunFrame, QueueError> {
    let names = connection.names();
    let only = async |subject: String| {
        Reader::new(connection, run, subject)
            .next(Duration::ZERO)
            .await
    };
    let opened = match only(names.opening_of(run)).await? {
        Some(RunEvent::Open(opened)) => Some(opened),
        _ => None,
    };
    let jobs = match only(names.seal_of(run)).await? {
        Some(RunEvent::Seal { expected }) => Some(expected),
        _ => None,
    };
    Ok(RunFrame { opened, jobs })
}

struct Reader {
    connection: Connection,
    run: RunId,
    subjects: String,
    consumer: OrderedConsumer,
    place: LogPlace,
    left_out: LeftOut,
}

impl Reader {
    fn new(connection: &Connection, run: &RunId, subjects: String) -> Self {
        let stream = connection.names().run_log();
        Self {
            consumer: OrderedConsumer::new(connection.clone(), stream, subjects.clone()),
            connection: connection.clone(),
            run: run.clone(),
            subjects,
            place: LogPlace::default(),
            left_out: LeftOut::default(),
        }
    }
}

#[async_trait]
impl RunLogReader for Reader {
    async fn next(&mut self, wait: Duration) -> Result<Option<RunEvent>, QueueError> {
        loop {
            let Some(received) = self.consumer.next(wait).await? else {
                return Ok(None);
            };
            // Also for what cannot be read, as the server counts that in `end`.
            self.place = LogPlace {
                last: received.sequence,
                events: self.place.events + 1,
            };
            match messages::decode_event(&received.payload) {
                Ok(event) => return Ok(Some(event)),
                // What follows can still be read.
                Err(why) => self.left_out.tell(&self.run, received.sequence, &why),
            }
        }
    }

    fn place(&self) -> LogPlace {
        self.place
    }

    async fn end(&mut self) -> Result<LogPlace, QueueError> {
        let stream = self.connection.names().run_log();
        let StreamInfo { state, .. } =
            stream_info_with_subjects(&self.connection, &stream, &self.subjects).await?;
        let count = |counts: HashMap<String, u64>| counts.into_values().sum();
        Ok(LogPlace {
            last: state.last_seq,
            events: state.subjects.map_or(0, count),
        })
    }
}
