//! Host pauses in memory.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::{Clock, later};
use image_sync_shared::ports::queue::host_pauses::{HostPause, HostPauses};
use time::OffsetDateTime;

use crate::known_pauses::KnownPauses;

/// Knows the pauses of one process.
pub(super) struct InProcessHostPauses {
    clock: Arc<dyn Clock>,
    known: KnownPauses,
}

impl InProcessHostPauses {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            known: KnownPauses::default(),
        }
    }
}

#[async_trait]
impl HostPauses for InProcessHostPauses {
    async fn pause(
        &self,
        host: &str,
        until: OffsetDateTime,
        reason: &str,
        longest: Duration,
    ) -> Result<bool, QueueError> {
        tracing::debug!(host, %until, reason, "host paused");
        let since = self.clock.now();
        let pause = HostPause {
            host: host.to_owned(),
            since,
            until: until.min(later(since, longest)),
            reason: reason.to_owned(),
        };
        Ok(self.known.prolong(pause, longest))
    }

    fn paused_until(&self, host: &str, longest: Duration) -> Option<OffsetDateTime> {
        self.known.until(host, longest, self.clock.now())
    }

    async fn resume(&self, host: &str) -> Result<bool, QueueError> {
        let was = self.known.forget(host);
        Ok(was.is_some_and(|pause| pause.until > self.clock.now()))
    }

    async fn list(&self) -> Result<Vec<HostPause>, QueueError> {
        Ok(self.known.all(self.clock.now()))
    }
}
