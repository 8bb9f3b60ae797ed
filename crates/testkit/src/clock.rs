//! A clock that a test controls.

use image_sync_shared::ports::clock::Clock;
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::time::Instant;

/// A fixed time of day plus the time that has passed for tokio since: it stands still and jumps where tokio's time does.
#[derive(Clone, Debug)]
pub struct TokioClock {
    origin: OffsetDateTime,
    started: Instant,
}

impl TokioClock {
    /// A clock that shows `origin` now.
    #[must_use]
    pub fn starting_at(origin: OffsetDateTime) -> Self {
        Self {
            origin,
            started: Instant::now(),
        }
    }
}

impl Default for TokioClock {
    /// Noon, UTC, on 20 November 2026.
    fn default() -> Self {
        Self::starting_at(datetime!(2026-11-20 12:00 UTC))
    }
}

impl Clock for TokioClock {
    fn now(&self) -> OffsetDateTime {
        self.origin + self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn passes_with_tokios_time() {
        let clock = TokioClock::default();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        tokio::time::sleep(std::time::Duration::from_secs(90)).await;
        assert_eq!(clock.now() - before, time::Duration::seconds(90));
    }
}
