//! The states of runs as keys of a bucket.

use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::runs::run_states::{RunState, RunStateReader, RunStates};
use image_sync_shared::run::RunId;
use image_sync_shared::run::report::ReportHead;
use image_sync_shared::text::{bounded, excerpt};

use super::bucket::{Bucket, Entry};
use crate::jetstream::client::Connection;
use crate::jetstream::names::token;
use crate::jetstream::names::{bucket_stream, key_subject};
use crate::jetstream::streams::OrderedConsumer;

/// The first token of the keys.
const RUN: &str = "run";

/// The key of a run's state.
pub(super) fn run_key(run: &RunId) -> String {
    format!("{RUN}.{}", token::encode(run.as_str()))
}

/// Knows the runs of one installation.
pub(crate) struct JetStreamRunStates {
    connection: Connection,
    bucket: Bucket,
}

impl JetStreamRunStates {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            bucket: Bucket::new(connection.clone(), connection.names().runs()),
            connection,
        }
    }
}

#[async_trait]
impl RunStates for JetStreamRunStates {
    async fn get(&self, run: &RunId) -> Result<Option<RunState>, QueueError> {
        Ok(self.bucket.get(&run_key(run)).await?.value)
    }

    async fn end(&self, head: &ReportHead) -> Result<bool, QueueError> {
        let key = run_key(&head.run_id);
        loop {
            let entry: Entry<RunState> = self.bucket.get(&key).await?;
            // Another aggregator may have been first.
            let Some(mut state) = entry.value.filter(|state| state.ended.is_none()) else {
                return Ok(false);
            };
            state.ended = Some(head.clone());
            let replaced = self.bucket.replace(&key, entry.revision, &state).await?;
            if replaced.is_some() {
                return Ok(true);
            }
        }
    }

    async fn follow(&self) -> Result<Box<dyn RunStateReader>, QueueError> {
        let bucket = self.connection.names().runs();
        Ok(Box::new(Reader(OrderedConsumer::new(
            self.connection.clone(),
            bucket_stream(&bucket),
            key_subject(&bucket, &format!("{RUN}.>")),
        ))))
    }
}

struct Reader(OrderedConsumer);

#[async_trait]
impl RunStateReader for Reader {
    async fn next(&mut self, wait: Duration) -> Result<Option<RunState>, QueueError> {
        loop {
            let Some(received) = self.0.next(wait).await? else {
                return Ok(None);
            };
            match serde_json::from_slice(&received.payload) {
                Ok(state) => return Ok(Some(state)),
                // As of a newer version.
                Err(error) => {
                    let (error, subject) = (bounded(error), excerpt(&received.subject));
                    tracing::warn!(error, subject, "left out the state of a run");
                }
            }
        }
    }
}
