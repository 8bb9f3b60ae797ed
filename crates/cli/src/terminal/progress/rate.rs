//! Bytes per second over the last seconds.

use std::collections::VecDeque;
use std::time::Duration;

/// Over how long the rate is taken: short enough to follow, long enough not to flicker.
const WINDOW: Duration = Duration::from_secs(5);

/// A sliding window over a growing total.
#[derive(Debug, Default)]
pub(super) struct Rate {
    samples: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// Notes the total at a time, and returns the bytes per second since the start of the window.
    pub(super) fn note(&mut self, now: Duration, total: u64) -> u64 {
        self.samples.push_back((now, total));
        // The newest sample that is a whole window old stays: it is where the window starts.
        while self
            .samples
            .get(1)
            .is_some_and(|(at, _)| *at + WINDOW <= now)
        {
            self.samples.pop_front();
        }
        let Some((since, before)) = self.samples.front() else {
            return 0;
        };
        let millis = now.saturating_sub(*since).as_millis();
        let bytes = u128::from(total.saturating_sub(*before));
        let rate = (bytes * 1000).checked_div(millis).unwrap_or_default();
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(rate: &mut Rate, millis: u64, total: u64) -> u64 {
        rate.note(Duration::from_millis(millis), total)
    }

    #[test]
    fn the_first_sample_has_no_rate() {
        assert_eq!(at(&mut Rate::default(), 0, 5000), 0);
    }

    #[test]
    fn is_the_growth_over_the_time() {
        let mut rate = Rate::default();
        at(&mut rate, 0, 1000);
        assert_eq!(at(&mut rate, 500, 3000), 4000);
        assert_eq!(at(&mut rate, 2000, 3000), 1000);
    }

    #[test]
    fn forgets_what_is_older_than_the_window() {
        let mut rate = Rate::default();
        for second in 0..=20 {
            let total = if second < 10 { 0 } else { (second - 9) * 100 };
            let now = at(&mut rate, second * 1000, total);
            if second >= 14 {
                assert_eq!(now, 100, "second {second}");
            }
        }
        for second in 21..=26 {
            at(&mut rate, second * 1000, 1100);
        }
        assert_eq!(at(&mut rate, 27_000, 1100), 0, "nothing moved for a window");
        assert!(rate.samples.len() < 10, "old samples are dropped");
    }
}
