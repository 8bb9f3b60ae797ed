//! The machine's clock.

use image_sync_shared::ports::clock::{Clock, later};
use time::OffsetDateTime;
use tokio::time::Instant;

/// Tells the machine's time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the Clock port gets its time"
    )]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// Tells the time that a clock showed once, and what has passed since: whoever sets that clock makes no wait longer, and brings
/// no deadline nearer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SteadyClock {
    origin: OffsetDateTime,
    since: Instant,
}

impl SteadyClock {
    /// Begins with what `clock` shows now.
    pub(crate) fn of(clock: &dyn Clock) -> Self {
        Self {
            origin: clock.now(),
            since: Instant::now(),
        }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> OffsetDateTime {
        later(self.origin, self.since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;

    /// A clock that is set.
    struct Hands(Mutex<OffsetDateTime>);

    impl Clock for Hands {
        fn now(&self) -> OffsetDateTime {
            *self.0.lock().unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_changes_no_time_that_is_waited_for() {
        let noon = datetime!(2026-11-20 12:00 UTC);
        let hands = Hands(Mutex::new(noon));
        let steady = SteadyClock::of(&hands);
        for set in [
            noon + Duration::from_secs(7_200),
            noon - Duration::from_secs(7_200),
        ] {
            *hands.0.lock().unwrap() = set;
            let before = steady.now();
            tokio::time::advance(Duration::from_secs(60)).await;
            assert_eq!(steady.now() - before, Duration::from_secs(60));
        }
        assert_eq!(steady.now(), noon + Duration::from_secs(120));
    }
}
