//! Servers that need not be asked, and are left alone for a while where they do not help.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a server is left alone.
const COOLDOWN: Duration = Duration::from_secs(60);

/// Until when a server is left alone.
#[derive(Default)]
pub(crate) struct Cooldown(Mutex<Option<Instant>>);

impl Cooldown {
    /// Leaves the server alone from now on.
    pub(crate) fn start(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + COOLDOWN);
    }

    /// Whether the server may be asked.
    pub(crate) fn is_over(&self) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
