//! Reports of runs in an object store (NATS ADR-20): they may be larger than a message.

use std::fs::File;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::object_store::{ObjectInfo, ObjectStore};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use image_sync_shared::ports::QueueError;
use image_sync_shared::run::RunId;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncSeekExt as _, AsyncWriteExt as _};

use super::connection::{Connection, Tries};
use super::follower::Follower;
use super::names::object_stream;
use super::readable;
use super::stored::{StoredMessage, last_message};
use super::token;

/// How long the next piece of a report may take, which is stored already.
const PIECE: Duration = Duration::from_secs(1);

/// The reports of one installation.
#[derive(Clone)]
pub struct Reports {
    connection: Connection,
}

impl Reports {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Stores the report of `run`, in place of one that it has. Until it is stored whole, the run has the old one.
    pub async fn put(
        &self,
        run: &RunId,
        mut report: impl AsyncRead + Send + Unpin,
    ) -> Result<(), QueueError> {
        self.drop_unreadable(run).await?;
        let put = async {
            let store = self.store().await?;
            let put = store.put(&*token::encode(run.as_str()), &mut report).await;
            put.map(drop).map_err(|error| {
                QueueError::Refused(format!("the report of run {run} cannot be stored: {error}"))
            })
        };
        let name = self.connection.names().reports();
        self.connection.allowed(&name, put).await
    }

    /// The report of `run`, in a temporary file without a name that is at its start, or none if there is no report.
    pub async fn get(&self, run: &RunId) -> Result<Option<File>, QueueError> {
        let mut last = None;
        while let Some(info) = self.info(run).await? {
            let file = tempfile::tempfile().map_err(|error| unreadable(run, &error))?;
            let mut file = tokio::fs::File::from_std(file);
            if self.read(run, &info, &mut file).await? {
                return Ok(Some(file.into_std().await));
            }
            // Who stores another report, as a second aggregator does, drops the pieces of this one.
            if last.replace(info.nuid.clone()) == Some(info.nuid) {
                return Err(unreadable(run, &"a piece of it is missing"));
            }
        }
        Ok(None)
    }

    /// Writes a report to `file`, and says whether it is whole.
    async fn read(
        &self,
        run: &RunId,
        info: &ObjectInfo,
        file: &mut tokio::fs::File,
    ) -> Result<bool, QueueError> {
        let name = self.connection.names().reports();
        let pieces = format!("$O.{name}.C.{}", info.nuid);
        let mut follower = Follower::new(self.connection.clone(), object_stream(&name), pieces);
        for _ in 0..info.chunks {
            let Some(piece) = follower.next(PIECE).await? else {
                return Ok(false);
            };
            let written = file.write_all(&piece.payload).await;
            written.map_err(|error| unreadable(run, &error))?;
        }
        // Which also makes sure that all is written.
        let rewound = file.rewind().await;
        rewound.map_err(|error| unreadable(run, &error))?;
        Ok(true)
    }

    /// What is said of a report. It is read by its place, and so whatever headers it has.
    async fn info(&self, run: &RunId) -> Result<Option<ObjectInfo>, QueueError> {
        let Some(message) = self.said_of(run).await? else {
            return Ok(None);
        };
        let info: ObjectInfo =
            serde_json::from_slice(&message.payload).map_err(|error| unreadable(run, &error))?;
        Ok(Some(info).filter(|info| !info.deleted))
    }

    async fn said_of(&self, run: &RunId) -> Result<Option<StoredMessage>, QueueError> {
        let name = self.connection.names().reports();
        let subject = info_subject(&name, run);
        last_message(&self.connection, &object_stream(&name), &subject).await
    }

    /// Drops what the library could not receive of what is said of a report: it looks there before it stores another one.
    async fn drop_unreadable(&self, run: &RunId) -> Result<(), QueueError> {
        let Some(message) = self.said_of(run).await? else {
            return Ok(());
        };
        let Err(why) = readable::check(&message.subject, &message.headers) else {
            return Ok(());
        };
        tracing::warn!(why, %run, "dropped what was said of a report");
        let name = self.connection.names().reports();
        let purge = json!({ "filter": info_subject(&name, run) });
        let subject = format!("STREAM.PURGE.{}", object_stream(&name));
        let purged = self
            .connection
            .api::<IgnoredAny>(&subject, &purge, Tries::WhileAway);
        purged
            .await?
            .map(drop)
            .map_err(|error| error.refusing(&format!("the report of run {run}")))
    }

    async fn store(&self) -> Result<ObjectStore, QueueError> {
        let name = self.connection.names().reports();
        let context = jetstream::new(self.connection.client().await?);
        let store = context.get_object_store(&name).await;
        store.map_err(|error| {
            QueueError::Refused(format!(
                "the object store {name} cannot be used: {error}: has `image-sync provision` been run?"
            ))
        })
    }
}

/// Where it is said of the report of `run` what it is.
fn info_subject(bucket: &str, run: &RunId) -> String {
    let object = URL_SAFE.encode(token::encode(run.as_str()));
    format!("$O.{bucket}.M.{object}")
}

fn unreadable(run: &RunId, error: &dyn std::fmt::Display) -> QueueError {
    QueueError::Refused(format!("the report of run {run} cannot be read: {error}"))
}
