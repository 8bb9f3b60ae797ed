//! The keys of a bucket, followed into memory.

use std::time::Duration;

use image_sync_shared::panics::caught_now;
use image_sync_shared::ports::QueueError;
use image_sync_shared::text::excerpt;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::jetstream::client::Connection;
use crate::jetstream::names::{bucket_stream, key_subject};
use crate::jetstream::streams::DeliveredMessage;
use crate::jetstream::streams::OrderedConsumer;

/// How long one wait for news is.
const WAIT: Duration = Duration::from_secs(30);
/// The wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What a key has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyChange<'a> {
    pub(crate) key: &'a str,
    /// Its value; nothing if it was deleted.
    pub(crate) value: &'a [u8],
    /// When it got it, by the server's clock.
    pub(crate) stored_at: Option<OffsetDateTime>,
}

impl<'a> KeyChange<'a> {
    /// What a message says of the key behind `prefix` in its subject.
    pub(crate) fn of(received: &'a DeliveredMessage, prefix: &str) -> Option<Self> {
        Some(Self {
            key: received.subject.strip_prefix(prefix)?,
            value: &received.payload,
            stored_at: received.stored_at,
        })
    }
}

/// Tells `learn` of every key of `bucket` that begins like `keys` (`>` for all) and of its value, before it returns, and
/// then goes on with what changes for as long as the tasks are not dropped.
pub(crate) async fn watch(
    tasks: &mut JoinSet<()>,
    connection: &Connection,
    bucket: &str,
    keys: &str,
    learn: impl Fn(&KeyChange<'_>) + Send + 'static,
) -> Result<(), QueueError> {
    let prefix = key_subject(bucket, "");
    let mut consumer = OrderedConsumer::new(
        connection.clone(),
        bucket_stream(bucket),
        key_subject(bucket, keys),
    );
    let tell = move |received: &DeliveredMessage| {
        if let Some(change) = KeyChange::of(received, &prefix) {
            // What one key says must not keep others from being heard.
            if let Err(error) = caught_now(|| learn(&change)) {
                tracing::error!(%error, key = excerpt(change.key), "what others say was not taken in");
            }
        }
    };
    // Whoever begins to work before this has ended would work jobs of runs that are cancelled, or ask hosts that are
    // paused.
    while let Some(received) = consumer.next(Duration::ZERO).await? {
        tell(&received);
    }
    let bucket = bucket.to_owned();
    tasks.spawn(async move {
        let mut is_failing = false;
        loop {
            match consumer.next(WAIT).await {
                Ok(news) => {
                    is_failing = false;
                    if let Some(received) = news {
                        tell(&received);
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(%error, bucket, "what others say cannot be followed: trying until it can");
                    }
                    sleep(AFTER_FAILURE).await;
                }
            }
        }
    });
    Ok(())
}
