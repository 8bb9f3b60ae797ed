//! Transfers that stand still: that is told long before they are cut.

use std::time::Duration;

use image_sync_shared::failure::Side;
use image_sync_shared::image::digest::Digest;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tracing::warn;

/// How long no byte may move before it is told.
const TOLD_AFTER: Duration = Duration::from_secs(5);

/// One end of a transfer.
#[derive(Debug)]
pub(in crate::distribution::blobs) struct Standstill {
    side: Side,
    /// How long no byte may move before the transfer is cut.
    limit: Duration,
    is_told: bool,
}

impl Standstill {
    pub(in crate::distribution::blobs) fn of(side: Side, limit: Duration) -> Self {
        Self {
            side,
            limit,
            is_told: false,
        }
    }

    /// Waits until bytes of `blob` move, and says once if none do for some seconds.
    pub(in crate::distribution::blobs) async fn within<T>(
        &mut self,
        blob: &Digest,
        mut moved: impl Future<Output = T> + Unpin,
    ) -> Result<T, Elapsed> {
        if self.is_told || self.limit <= TOLD_AFTER {
            return timeout(self.limit, moved).await;
        }
        if let Ok(moved) = timeout(TOLD_AFTER, &mut moved).await {
            return Ok(moved);
        }
        self.is_told = true;
        let (still, limit) = (TOLD_AFTER.as_secs(), self.limit.as_secs());
        warn!(
            %blob,
            "{}: no byte for {still} s: the transfer is cut after {limit} s, and tried again", self.side
        );
        timeout(self.limit.saturating_sub(TOLD_AFTER), moved).await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_stands_still_is_told_once_and_cut_at_the_limit() {
        let blob = Digest::of(b"blob");
        let mut source = Standstill::of(Side::Source, Duration::from_secs(60));
        let late = async |wait| {
            sleep(Duration::from_secs(wait)).await;
            wait
        };
        assert_eq!(source.within(&blob, pin!(late(4))).await.ok(), Some(4));
        assert!(!source.is_told);
        assert_eq!(source.within(&blob, pin!(late(7))).await.ok(), Some(7));
        assert!(source.is_told);
        for limit in [60, 3] {
            let (start, limit) = (Instant::now(), Duration::from_secs(limit));
            let mut target = Standstill::of(Side::Target, limit);
            assert!(target.within(&blob, pin!(pending::<()>())).await.is_err());
            assert_eq!(start.elapsed(), limit);
            assert_eq!(target.is_told, limit > TOLD_AFTER);
        }
    }
}
