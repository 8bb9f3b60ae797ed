//! Reports of runs in an object store (NATS ADR-20): they may be larger than a message.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::object_store::{InfoErrorKind, ObjectStore};
use image_sync_shared::ports::QueueError;
use image_sync_shared::run::RunId;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::connection::Connection;
use super::follower::Follower;
use super::names::object_stream;
use super::token;

/// How long the next piece of a report may take.
const PIECE: Duration = Duration::from_secs(5);

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
        let store = self.store().await?;
        let put = store.put(&*token::encode(run.as_str()), &mut report).await;
        put.map(drop).map_err(|error| {
            QueueError::Refused(format!("the report of run {run} cannot be stored: {error}"))
        })
    }

    /// Writes the report of `run` to `target`, and says how many bytes it has, or none if there is no report.
    pub async fn get(
        &self,
        run: &RunId,
        mut target: impl AsyncWrite + Send + Unpin,
    ) -> Result<Option<u64>, QueueError> {
        let store = self.store().await?;
        let info = match store.info(token::encode(run.as_str())).await {
            Ok(info) if info.deleted => return Ok(None),
            Ok(info) => info,
            Err(error) if error.kind() == InfoErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(run, &error)),
        };
        let name = self.connection.names().reports();
        let pieces = format!("$O.{name}.C.{}", info.nuid);
        let mut follower = Follower::new(self.connection.clone(), object_stream(&name), pieces);
        for _ in 0..info.chunks {
            let Some(piece) = follower.next(PIECE).await? else {
                return Err(unreadable(run, &"a piece of it is missing"));
            };
            let written = target.write_all(&piece.payload).await;
            written.map_err(|error| unreadable(run, &error))?;
        }
        target
            .flush()
            .await
            .map_err(|error| unreadable(run, &error))?;
        Ok(Some(info.size as u64))
    }

    async fn store(&self) -> Result<ObjectStore, QueueError> {
        let name = self.connection.names().reports();
        let context = jetstream::new(self.connection.client().clone());
        let store = context.get_object_store(&name).await;
        store.map_err(|error| {
            QueueError::Refused(format!(
                "the object store {name} cannot be used: {error}: has `image-sync provision` been run?"
            ))
        })
    }
}

fn unreadable(run: &RunId, error: &dyn std::fmt::Display) -> QueueError {
    QueueError::Refused(format!("the report of run {run} cannot be read: {error}"))
}
