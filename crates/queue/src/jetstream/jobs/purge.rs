//! Dropping the jobs of a run.
//!
//! One by one, although servers can purge by a subject: one of version 2.9 then takes all jobs that are there, of other
//! runs too, for delivered, or goes on counting those that are gone as waiting.

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use image_sync_shared::ports::QueueError;
use image_sync_shared::run::RunId;

use crate::jetstream::client::{Connection, Retries};
use crate::jetstream::streams::{delete_message, next_message};

/// Messages that are being deleted at the same time.
const IN_FLIGHT: usize = 64;

/// Drops the jobs of `run`, and says how many there were.
pub(crate) async fn purge(connection: &Connection, run: &RunId) -> Result<u64, QueueError> {
    let stream = connection.names().jobs();
    let subject = connection.names().jobs_of(run);
    let (mut from, mut dropped, mut deleting) = (1, 0, FuturesUnordered::new());
    // What is published meanwhile is found too: this reads until there is nothing behind the last one.
    let next =
        async |from| next_message(connection, &stream, &subject, from, Retries::WhileAway).await;
    while let Some(message) = next(from).await? {
        from = message.sequence + 1;
        deleting.push(delete_message(connection, &stream, message.sequence));
        if deleting.len() >= IN_FLIGHT
            && let Some(deleted) = deleting.next().await
        {
            dropped += u64::from(deleted?);
        }
    }
    while let Some(deleted) = deleting.next().await {
        dropped += u64::from(deleted?);
    }
    Ok(dropped)
}
