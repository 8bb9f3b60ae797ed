//! Capacity in a stream, of which not all may be used up.
//!
//! A server takes messages until there is no room at all. A job could then not be put back, as its successor is stored before
//! it goes: it would come again until it is taken for poison. So the stream is asked how full it is, as seldom as is safe.

use std::sync::atomic::{AtomicU64, Ordering};

use image_sync_shared::ports::QueueError;
use tokio::sync::{RwLock, RwLockReadGuard};

use super::info::{StreamInfo, stream_info, stream_object};
use crate::jetstream::client::{Connection, Retries};

/// As much of what is free may be stored before the stream is asked again: others store there too.
const GRANT: u64 = 4;

/// A part of a stream.
pub(crate) struct Capacity {
    stream: String,
    /// The part, in sixteenths of the stream.
    sixteenths: u64,
    /// What the rest is for, and what is to be done if that alone is left.
    rest: &'static str,
    /// What may be stored before the stream is asked again.
    granted: RwLock<AtomicU64>,
}

impl Capacity {
    /// So many sixteenths of `stream`.
    pub(crate) fn new(stream: String, sixteenths: u64, rest: &'static str) -> Self {
        Self {
            stream,
            sixteenths,
            rest,
            granted: RwLock::default(),
        }
    }

    /// Capacity for a message of so many bytes, to be kept until that is stored: meanwhile nobody asks the stream, whose answer
    /// would be wrong by then. An error if there is none.
    pub(crate) async fn reserve(
        &self,
        connection: &Connection,
        bytes: u64,
    ) -> Result<RwLockReadGuard<'_, AtomicU64>, QueueError> {
        loop {
            let granted = self.granted.read().await;
            let less = |granted: u64| granted.checked_sub(bytes);
            let order = Ordering::Relaxed;
            if granted.fetch_update(order, order, less).is_ok() {
                return Ok(granted);
            }
            drop(granted);
            // Comes when all that is being stored is there.
            let mut granted = self.granted.write().await;
            // Whoever had the lock before may have asked.
            if *granted.get_mut() < bytes {
                *granted.get_mut() = self.request_grant(connection, bytes).await?;
            }
        }
    }

    async fn request_grant(&self, connection: &Connection, bytes: u64) -> Result<u64, QueueError> {
        let StreamInfo { config, state } =
            stream_info(connection, &self.stream, Retries::WhileAway).await?;
        let Some(limit) = config.max_bytes() else {
            return Ok(u64::MAX);
        };
        grant(limit / 16 * self.sixteenths, state.bytes, bytes).ok_or_else(|| {
            QueueError::Full(format!(
                "{} is full: it holds {} of {limit} bytes, and {}",
                stream_object(&self.stream),
                state.bytes,
                self.rest
            ))
        })
    }
}

/// What may be stored of what is free, if that is enough for `bytes`.
fn grant(limit: u64, held: u64, bytes: u64) -> Option<u64> {
    let free = limit.saturating_sub(held);
    (free >= bytes).then(|| bytes.max(free / GRANT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_what_is_free_is_granted_and_the_last_of_it_whole() {
        assert_eq!(grant(1_000, 200, 100), Some(200));
        assert_eq!(grant(1_000, 900, 100), Some(100));
        assert_eq!(grant(1_000, 901, 100), None);
        assert_eq!(grant(1_000, 2_000, 1), None);
    }
}
