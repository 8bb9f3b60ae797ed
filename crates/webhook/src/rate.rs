//! How many requests of one sender are taken.

use std::time::{Duration, Instant};

/// Requests that one sender may send at once, after a time of rest.
const BURST: f64 = 10_000.0;
/// Requests that it may send each second, for ever.
const PER_SECOND: f64 = 2_000.0;

/// What one sender may still send (a token bucket).
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    left: f64,
    at: Instant,
}

impl Rate {
    /// A whole burst.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            at: now,
        }
    }

    /// Takes one request, or says after how long it may come again.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let rested = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + rested * PER_SECOND).min(BURST);
        self.at = self.at.max(now);
        if self.left < 1.0 {
            return Err(Duration::from_secs(1));
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_has_a_burst_and_so_many_requests_per_second() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        let mut taken = |now| {
            let mut taken = 0;
            while rate.take(now).is_ok() {
                taken += 1;
            }
            taken
        };
        assert_eq!(taken(start), 10_000);
        assert_eq!(taken(start + Duration::from_secs(1)), 2_000);
        assert_eq!(taken(start + Duration::from_secs(3600)), 10_000);
    }
}
