//! Waiting for something, but not for ever.

use std::future;
use std::time::Duration;

use image_sync_shared::ports::QueueError;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, sleep_until, timeout};

/// What `work` yields, or nothing if it takes longer than `wait`. Work that need not wait is done even if `wait` is zero.
pub(super) async fn within<T: Default>(
    wait: Duration,
    work: impl Future<Output = Result<T, QueueError>>,
) -> Result<T, QueueError> {
    timeout(wait, work)
        .await
        .unwrap_or_else(|_elapsed| Ok(T::default()))
}

/// Returns when `news` comes or at `instant`, whichever is first.
pub(super) async fn notified_or_at(news: Notified<'_>, instant: Option<Instant>) {
    let at_instant = async {
        match instant {
            Some(instant) => sleep_until(instant).await,
            None => future::pending().await,
        }
    };
    tokio::select! {
        () = news => {}
        () = at_instant => {}
    }
}
