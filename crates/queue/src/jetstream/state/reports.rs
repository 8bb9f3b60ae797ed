//! Reports of runs in an object store (NATS ADR-20), compressed: they may be larger than a message.
//!
//! The store is what is kept of runs that are over, so it must not stand in the way of those to come: when it is full the
//! oldest reports go, and what was begun and not ended is removed.

mod compressed;
mod retention;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::object_store::{ObjectInfo, ObjectOptions};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::runs::reports::{Reports, StoredReport, WriteReport};
use image_sync_shared::run::RunId;
use tokio::sync::{Mutex, mpsc};
use tokio::task::spawn_blocking;

pub use retention::History;

use crate::jetstream::client::{Connection, Retries};
use crate::jetstream::names::{MESSAGE_ID, object_stream, set_header, token};
use crate::jetstream::streams::OrderedConsumer;
use crate::jetstream::streams::last_message;
use compressed::{CHUNK_BYTES, ChunkWriter, CompressedReport, StoredSize, WrittenChunks};
use retention::Strays;

/// How long the next chunk of a report may take, which is stored already.
const CHUNK_WAIT: Duration = Duration::from_secs(1);
/// How many chunks are made before they are stored.
const CHUNKS_AHEAD: usize = 4;
/// A message with this replaces all others of its subject (NATS ADR-20).
const ROLLUP: (&str, &str) = ("Nats-Rollup", "sub");

/// The reports of one installation.
#[derive(Clone)]
pub struct JetStreamReports {
    connection: Connection,
    /// What belonged to no report when that was looked at last.
    strays: Arc<Mutex<Strays>>,
}

impl JetStreamReports {
    /// Those of the installation that the connection is for.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self {
            connection,
            strays: Arc::default(),
        }
    }

    async fn put_chunks(
        &self,
        run: &RunId,
        name: &str,
        nuid: &str,
        write: WriteReport,
    ) -> Result<(), QueueError> {
        let (sender, mut chunks) = mpsc::channel(CHUNKS_AHEAD);
        let writing = spawn_blocking(move || {
            let mut writer = ChunkWriter::new(sender);
            write(&mut writer)?;
            writer.end()
        });
        let mut number = 0;
        while let Some(chunk) = chunks.recv().await {
            self.store_chunk(run, nuid, number, chunk).await?;
            number += 1;
        }
        let made = writing.await.map_err(io::Error::other).flatten();
        // A writer that failed has ended its chunks as well: what was stored of them is no report.
        let made = made.map_err(|error| unstored(run, &error))?;
        let subject = self.meta_subject(&URL_SAFE.encode(name));
        let info = serde_json::to_vec(&self.described(name, nuid, &made));
        let info = info.map_err(|error| unstored(run, &error))?;
        let mut headers = HeaderMap::new();
        headers.insert(ROLLUP.0, ROLLUP.1);
        // Described last: from here on it is a report, and whole.
        self.store(run, nuid, &subject, &headers, info.into())
            .await?;
        // One that stood still for long may have lost chunks meanwhile: they looked like those of nothing.
        let kept = self.usage(&self.chunk_subject(nuid)).await?.messages();
        if kept != made.chunks as u64 {
            self.purge(&subject).await?;
            return Err(QueueError::Unreachable(format!(
                "{kept} of {} pieces of the report of run {run} are there",
                made.chunks
            )));
        }
        Ok(())
    }

    async fn store_chunk(
        &self,
        run: &RunId,
        nuid: &str,
        number: usize,
        chunk: Bytes,
    ) -> Result<(), QueueError> {
        let mut headers = HeaderMap::new();
        // By this a chunk whose acknowledgement was lost is stored once.
        set_header(&mut headers, MESSAGE_ID, &format!("{nuid}:{number}"))?;
        let subject = self.chunk_subject(nuid);
        self.store(run, nuid, &subject, &headers, chunk).await
    }

    /// Stores a message, for which others go if need be.
    async fn store(
        &self,
        run: &RunId,
        nuid: &str,
        subject: &str,
        headers: &HeaderMap,
        payload: Bytes,
    ) -> Result<(), QueueError> {
        loop {
            let stored =
                self.connection
                    .publish(subject, headers, payload.clone(), Retries::WhileAway);
            match stored.await {
                Err(QueueError::Full(full)) => {
                    if !self.make_room(run, nuid, payload.len() as u64).await? {
                        return Err(QueueError::Full(full));
                    }
                }
                stored => return stored.map(drop),
            }
        }
    }

    /// What an object store says of a report (NATS ADR-20).
    fn described(&self, name: &str, nuid: &str, made: &WrittenChunks) -> ObjectInfo {
        ObjectInfo {
            name: name.to_owned(),
            description: Some("application/json, compressed with gzip".to_owned()),
            metadata: HashMap::new(),
            headers: None,
            options: Some(ObjectOptions {
                link: None,
                max_chunk_size: Some(CHUNK_BYTES),
            }),
            bucket: self.bucket(),
            nuid: nuid.to_owned(),
            size: made.bytes,
            chunks: made.chunks,
            modified: None,
            digest: Some(made.digest()),
            deleted: false,
        }
    }

    /// Reads a report, if it is whole.
    async fn read(
        &self,
        run: &RunId,
        info: &ObjectInfo,
    ) -> Result<Option<CompressedReport>, QueueError> {
        let (stream, chunks) = (
            object_stream(&self.bucket()),
            self.chunk_subject(&info.nuid),
        );
        let mut consumer = OrderedConsumer::new(self.connection.clone(), stream, chunks);
        let mut report = CompressedReport::new();
        for _ in 0..info.chunks {
            let Some(chunk) = consumer.next(CHUNK_WAIT).await? else {
                return Ok(None);
            };
            let taken = report.append(&chunk.payload);
            taken.map_err(|error| unreadable(run, &error))?;
        }
        Ok(Some(report))
    }

    /// What is said of a report. It is read by its place, and so whatever headers it has; what cannot be understood is none.
    async fn info_of(&self, name: &str) -> Result<Option<ObjectInfo>, QueueError> {
        let subject = self.meta_subject(&URL_SAFE.encode(name));
        let stream = object_stream(&self.bucket());
        let message = last_message(&self.connection, &stream, &subject).await?;
        let payload = message.unwrap_or_default().payload;
        let info = serde_json::from_slice::<ObjectInfo>(&payload).ok();
        Ok(info.filter(|info| !info.deleted))
    }

    fn bucket(&self) -> String {
        self.connection.names().reports()
    }

    fn chunk_subject(&self, nuid: &str) -> String {
        format!("$O.{}.C.{nuid}", self.bucket())
    }

    fn meta_subject(&self, encoded_name: &str) -> String {
        format!("$O.{}.M.{encoded_name}", self.bucket())
    }
}

#[async_trait]
impl Reports for JetStreamReports {
    async fn put(&self, run: &RunId, write: WriteReport) -> Result<(), QueueError> {
        let bucket = self.bucket();
        let put = Box::pin(async {
            let (name, nuid) = (token::encode(run.as_str()), self.connection.unique_name());
            // Looked at before: once the new one is described, nothing leads to the chunks of the old one.
            let old = self.info_of(&name).await?;
            let stored = self.put_chunks(run, &name, &nuid, write).await;
            // Of a report that was replaced, or of this one if it failed.
            let left = match &stored {
                Ok(()) => old.map(|old| old.nuid),
                Err(_) => Some(nuid),
            };
            if let Some(left) = left
                && let Err(error) = self.purge(&self.chunk_subject(&left)).await
            {
                tracing::warn!(run_id = %run, %error, "pieces of a report are left behind for now");
            }
            stored
        });
        self.connection.allowed(&bucket, put).await
    }

    async fn get(&self, run: &RunId) -> Result<Option<Box<dyn StoredReport>>, QueueError> {
        let mut last = None;
        while let Some(info) = self.info_of(&token::encode(run.as_str())).await? {
            if let Some(report) = self.read(run, &info).await? {
                return Ok(Some(Box::new(report)));
            }
            // Who stores another report, as a second aggregator does, drops the chunks of this one.
            if last.replace(info.nuid.clone()) == Some(info.nuid) {
                return Err(unreadable(run, &"a piece of it is missing"));
            }
        }
        Ok(None)
    }

    async fn size_of(&self, run: &RunId, write: WriteReport) -> Result<u64, QueueError> {
        let measured = spawn_blocking(move || {
            let mut size = StoredSize::default();
            write(&mut size)?;
            size.bytes()
        });
        let measured = measured.await.map_err(io::Error::other).flatten();
        measured.map_err(|error| unwritable(run, &error))
    }

    async fn largest(&self) -> Result<Option<u64>, QueueError> {
        self.largest_report().await
    }

    async fn tidy(&self) -> Result<bool, QueueError> {
        let mut strays = self.strays.lock().await;
        *strays = self.remove_strays(&strays).await?;
        Ok(!strays.is_empty())
    }
}

fn unwritable(run: &RunId, error: &dyn std::fmt::Display) -> QueueError {
    QueueError::Refused(format!(
        "the report of run {run} cannot be written: {error}"
    ))
}

fn unreadable(run: &RunId, error: &dyn std::fmt::Display) -> QueueError {
    QueueError::Refused(format!("the report of run {run} cannot be read: {error}"))
}

fn unstored(run: &RunId, error: &dyn std::fmt::Display) -> QueueError {
    QueueError::Refused(format!("the report of run {run} cannot be stored: {error}"))
}
