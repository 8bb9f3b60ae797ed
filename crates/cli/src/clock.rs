//! The machine's clock.

use image_sync_shared::ports::clock::Clock;
use time::OffsetDateTime;

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
