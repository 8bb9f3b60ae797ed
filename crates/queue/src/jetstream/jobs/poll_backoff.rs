//! The pauses between looks at what is empty.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(250);

/// Pauses that double up to a limit.
pub(super) struct PollBackoff {
    next: Duration,
}

impl PollBackoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// Waits, but not beyond `deadline`. False, at once, if that has passed.
    pub(super) async fn wait_until(&mut self, deadline: Instant) -> bool {
        let now = Instant::now();
        if now >= deadline {
            return false;
        }
        sleep_until((now + self.step()).min(deadline)).await;
        true
    }

    /// The next pause.
    pub(crate) fn step(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(LONGEST);
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let mut pace = PollBackoff::new();
        let pauses = [(); 7].map(|()| pace.step().as_millis());
        assert_eq!(pauses, [10, 20, 40, 80, 160, 250, 250]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_pause_ends_at_the_deadline() {
        let (mut pace, start) = (PollBackoff::new(), Instant::now());
        let deadline = start + Duration::from_millis(35);
        let mut looks = 1;
        while pace.wait_until(deadline).await {
            looks += 1;
        }
        assert_eq!((looks, Instant::now()), (4, deadline));
    }
}
