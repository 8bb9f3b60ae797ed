//! Registries that answered 429, and until when they are left alone.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::ports::QueueError;

/// For so long workers tell each other of a pause: no pause is longer.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// A host that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPause {
    /// The host, as repositories have it.
    pub host: String,
    /// When the pause became known to all.
    pub since: OffsetDateTime,
    /// Until when.
    pub until: OffsetDateTime,
    /// What the host answered.
    pub reason: String,
}

/// Knows which hosts are paused, for all workers.
///
/// Whoever honours a pause does so for `longest` after it became known, whatever it says itself: the clock, the settings or
/// the good will of whoever set it may be others.
#[async_trait]
pub trait HostPauses: Send + Sync {
    /// Leaves `host` alone until `until`; a pause that already lasts longer stays. Says whether `host` was
    /// not left alone until now, as far as it is known here.
    async fn pause(
        &self,
        host: &str,
        until: OffsetDateTime,
        reason: &str,
        longest: Duration,
    ) -> Result<bool, QueueError>;

    /// Until when `host` is left alone, where that is still to come. Answers from memory: it is asked for every job.
    fn paused_until(&self, host: &str, longest: Duration) -> Option<OffsetDateTime>;

    /// Ends the pause of `host` for all workers, and says whether there was one.
    async fn resume(&self, host: &str) -> Result<bool, QueueError>;

    /// All pauses that are not over, by host.
    async fn list(&self) -> Result<Vec<HostPause>, QueueError>;
}
