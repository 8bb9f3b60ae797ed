//! Wall-clock time.

use std::time::Duration;

use time::OffsetDateTime;

/// Tells the time of day, so that tests can hold it still.
pub trait Clock: Send + Sync {
    /// The time now, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// The time `wait` after `time`, or the last one that there is: a message may hold any time of the years up to 9999, and any
/// wait.
#[must_use]
pub fn later(time: OffsetDateTime, wait: Duration) -> OffsetDateTime {
    let wait = time::Duration::try_from(wait).unwrap_or(time::Duration::MAX);
    time.saturating_add(wait)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn time_ends_with_the_year_9999_and_nothing_panics() {
        let last = datetime!(9999-12-31 23:59:59.5 UTC);
        let end = later(last, Duration::from_secs(1));
        assert_eq!(end.year(), 9999);
        assert_eq!(later(datetime!(2026-11-20 12:00 UTC), Duration::MAX), end);
        let soon = later(datetime!(2026-11-20 12:00 UTC), Duration::from_secs(60));
        assert_eq!(soon, datetime!(2026-11-20 12:01 UTC));
    }
}
