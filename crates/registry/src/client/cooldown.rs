//! Servers that need not be asked, and are left alone for a while where they do not help.

use std::sync::Mutex;
use std::time::Duration;

use image_sync_shared::panics::lock;
use tokio::time::Instant;

/// How long a server is left alone.
const COOLDOWN: Duration = Duration::from_secs(60);

/// Until when a server is left alone.
#[derive(Default)]
pub(crate) struct Cooldown(Mutex<Option<Instant>>);

impl Cooldown {
    /// Leaves the server alone from now on.
    pub(crate) fn start(&self) {
        *lock(&self.0) = Some(Instant::now() + COOLDOWN);
    }

    /// Whether the server may be asked.
    pub(crate) fn is_over(&self) -> bool {
        let until = *lock(&self.0);
        until.is_none_or(|until| until <= Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_cooldown_has_an_end_and_may_start_again() {
        let cooldown = Cooldown::default();
        assert!(cooldown.is_over());
        for _ in 0..2 {
            cooldown.start();
            tokio::time::advance(COOLDOWN / 2).await;
            assert!(!cooldown.is_over());
            tokio::time::advance(COOLDOWN / 2).await;
            assert!(cooldown.is_over());
        }
    }
}
