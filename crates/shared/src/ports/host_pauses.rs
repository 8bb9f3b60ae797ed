//! Registries that answered 429, and until when they are left alone.

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::ports::QueueError;

/// Knows which hosts are paused, for all workers.
#[async_trait]
pub trait HostPauses: Send + Sync {
    /// Leaves `host` alone until `until`; a pause that already lasts longer stays. Says whether `host` was
    /// not left alone until now, as far as it is known here.
    async fn pause(
        &self,
        host: &str,
        until: OffsetDateTime,
        reason: &str,
    ) -> Result<bool, QueueError>;

    /// Until when `host` is left alone, where that is still to come. Answers from memory: it is asked for every job.
    fn paused_until(&self, host: &str) -> Option<OffsetDateTime>;
}
