//! Host pauses in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::host_pauses::HostPauses;
use time::OffsetDateTime;

use crate::lock::lock;

/// Knows the pauses of one process.
pub(super) struct InProcessHostPauses {
    clock: Arc<dyn Clock>,
    until: Mutex<HashMap<String, OffsetDateTime>>,
}

impl InProcessHostPauses {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            until: Mutex::default(),
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
    ) -> Result<bool, QueueError> {
        tracing::debug!(host, %until, reason, "host paused");
        let mut pauses = lock(&self.until);
        let longest = pauses.get(host).map_or(until, |end| until.max(*end));
        let before = pauses.insert(host.to_owned(), longest);
        Ok(before.is_none_or(|end| end <= self.clock.now()))
    }

    fn paused_until(&self, host: &str) -> Option<OffsetDateTime> {
        let until = lock(&self.until).get(host).copied()?;
        (until > self.clock.now()).then_some(until)
    }
}
