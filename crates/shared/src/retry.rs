//! How long to wait before another attempt: exponential backoff with full jitter.
//!
//! The one place that uses the `backoff` crate; see deny.toml.

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff as _;
use serde::{Deserialize, Serialize};

/// How often a job is attempted, and how long it waits in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// The longest wait before the second attempt; it doubles with each attempt.
    pub initial: Duration,
    /// The longest wait of all.
    pub max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            initial: Duration::from_secs(2),
            max: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// The tries of a single request before its job is put back.
    pub const IN_PLACE: Self = Self {
        attempts: 3,
        initial: Duration::from_millis(200),
        max: Duration::from_secs(2),
    };

    /// Whether another attempt follows attempt `attempt`, the first being 1.
    #[must_use]
    pub fn allows_another(&self, attempt: u32) -> bool {
        attempt < self.attempts
    }

    /// The wait after attempt `attempt`, the first being 1: evenly spread over zero to `initial * 2^(attempt - 1)`, at
    /// most `max`. The spread is drawn after the limit, so that a fleet does not retry in step.
    #[must_use]
    pub fn delay(&self, attempt: u32) -> Duration {
        // A randomization of 1 spreads over zero to twice the interval: hence the halves.
        let mut backoff = ExponentialBackoffBuilder::new()
            .with_initial_interval(self.initial.min(self.max) / 2)
            .with_max_interval(self.max / 2)
            .with_randomization_factor(1.0)
            .with_multiplier(2.0)
            .with_max_elapsed_time(None)
            .build();
        // More doublings than these are beyond any limit.
        let doublings = attempt.clamp(1, 64);
        (0..doublings)
            .filter_map(|_| backoff.next_backoff())
            .last()
            .unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 4,
        initial: Duration::from_secs(2),
        max: Duration::from_secs(60),
    };

    #[test]
    fn delays_are_spread_from_zero_to_a_doubling_ceiling() {
        for (attempt, ceiling) in [(1, 2.0), (2, 4.0), (3, 8.0), (6, 60.0), (1000, 60.0)] {
            let delays: Vec<f64> = (0..2000)
                .map(|_| POLICY.delay(attempt).as_secs_f64())
                .collect();
            let longest = delays.iter().copied().fold(0.0, f64::max);
            let shortest = delays.iter().copied().fold(f64::MAX, f64::min);
            assert!(longest <= ceiling + 1e-6, "{attempt}: {longest}");
            assert!(
                longest > ceiling * 0.9,
                "{attempt}: the jitter reaches the ceiling, {longest}"
            );
            assert!(
                shortest < ceiling * 0.1,
                "{attempt}: the jitter reaches down to nothing, {shortest}"
            );
        }
    }

    #[test]
    fn counts_attempts_from_one() {
        assert!(POLICY.allows_another(1) && POLICY.allows_another(3));
        assert!(!POLICY.allows_another(4));
    }
}
