//! Servers that need not be asked, and are left alone for a while where they do not help.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a server is left alone.
const REST: Duration = Duration::from_secs(60);

/// Until when a server is left alone.
#[derive(Default)]
pub(crate) struct Rest(Mutex<Option<Instant>>);

impl Rest {
    /// Leaves the server alone from now on.
    pub(crate) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
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
    async fn a_rest_has_an_end_and_may_begin_again() {
        let rest = Rest::default();
        assert!(rest.is_over());
        for _ in 0..2 {
            rest.begin();
            tokio::time::advance(REST / 2).await;
            assert!(!rest.is_over());
            tokio::time::advance(REST / 2).await;
            assert!(rest.is_over());
        }
    }
}
