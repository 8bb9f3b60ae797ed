//! Wall-clock time.

use time::OffsetDateTime;

/// Tells the time of day, so that tests can hold it still.
pub trait Clock: Send + Sync {
    /// The time now, in UTC.
    fn now(&self) -> OffsetDateTime;
}
