//! How long an attempt may take. While it waits for another image, its time stands still: how fast that one's source is, is no
//! fault of its own. In all it waits no longer than it may take, so that it ends.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// The time of one attempt, which begins when this is made.
#[derive(Debug)]
pub(crate) struct TimeLimit {
    limit: Duration,
    started: Instant,
    waits: watch::Sender<Waits>,
}

/// The waits for other images. Those that overlap count once.
#[derive(Clone, Copy, Debug)]
struct Waits {
    under_way: usize,
    /// When the first of those under way began.
    since: Instant,
    /// How long those took that are over.
    over: Duration,
}

/// A wait for another image; it ends when this is dropped.
struct Wait<'a>(&'a watch::Sender<Waits>);

impl TimeLimit {
    /// An attempt may take `limit` from now on.
    pub(crate) fn new(limit: Duration) -> Self {
        let started = Instant::now();
        Self {
            limit,
            started,
            waits: watch::Sender::new(Waits {
                under_way: 0,
                since: started,
                over: Duration::ZERO,
            }),
        }
    }

    /// Returns when the attempt has taken as long as it may, its waits for other images aside.
    pub(crate) async fn used_up(&self) {
        let mut waits = self.waits.subscribe();
        // Looked at anew after each sleep: a wait that began meanwhile has moved the end, and while one is under way
        // nobody knows where it will be.
        while let Ok(over) = waited(&mut waits).await {
            let may_take = self.limit.saturating_add(over);
            let left = may_take.saturating_sub(self.started.elapsed());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }

    /// Waits for something that another image does. None if it takes longer than this image may wait.
    pub(crate) async fn wait<F: Future>(&self, for_another: F) -> Option<F::Output> {
        let left = self.limit.saturating_sub(self.waits.borrow().in_all());
        let _wait = Wait::begin(&self.waits);
        timeout(left, for_another).await.ok()
    }
}

/// How long the waits took, once none is under way.
async fn waited(waits: &mut watch::Receiver<Waits>) -> Result<Duration, watch::error::RecvError> {
    let none_under_way = waits.wait_for(|waits| waits.under_way == 0).await;
    none_under_way.map(|waits| waits.over)
}

impl Waits {
    fn in_all(&self) -> Duration {
        match self.under_way {
            0 => self.over,
            _ => self.over + self.since.elapsed(),
        }
    }
}

impl<'a> Wait<'a> {
    fn begin(waits: &'a watch::Sender<Waits>) -> Self {
        waits.send_modify(|waits| {
            if waits.under_way == 0 {
                waits.since = Instant::now();
            }
            waits.under_way += 1;
        });
        Self(waits)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waits| {
            // Of those that overlap the last one adds what they took together.
            waits.over = match waits.under_way {
                1 => waits.in_all(),
                _ => waits.over,
            };
            waits.under_way -= 1;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(100);

    fn seconds(seconds: u64) -> impl Future<Output = ()> {
        sleep(Duration::from_secs(seconds))
    }

    /// After how many seconds an attempt ends that works and waits like this.
    async fn ends_after(work: impl AsyncFnOnce(&TimeLimit)) -> u64 {
        let limit = TimeLimit::new(LIMIT);
        tokio::select! {
            () = limit.used_up() => {}
            () = async { work(&limit).await; pending().await } => {}
        }
        limit.started.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_counted_and_waiting_for_another_is_not() {
        assert_eq!(ends_after(async |_| {}).await, 100);
        let one_wait = async |limit: &TimeLimit| {
            seconds(30).await;
            assert_eq!(limit.wait(seconds(50)).await, Some(()));
        };
        assert_eq!(ends_after(one_wait).await, 150);
        let two_waits = async |limit: &TimeLimit| {
            assert_eq!(limit.wait(seconds(20)).await, Some(()));
            seconds(99).await;
            assert_eq!(limit.wait(seconds(70)).await, Some(()));
        };
        assert_eq!(ends_after(two_waits).await, 190);
    }

    #[tokio::test(start_paused = true)]
    async fn overlapping_waits_count_once_in_the_timeout() {
        let both = async |limit: &TimeLimit| {
            tokio::join!(limit.wait(seconds(50)), async {
                seconds(20).await;
                limit.wait(seconds(40)).await
            });
        };
        assert_eq!(ends_after(both).await, 160);
    }

    #[tokio::test(start_paused = true)]
    async fn no_image_waits_longer_in_all_than_it_may_take() {
        let in_vain = async |limit: &TimeLimit| {
            assert_eq!(limit.wait(seconds(30)).await, Some(()));
            assert_eq!(limit.wait(pending::<()>()).await, None);
            assert_eq!(limit.started.elapsed(), LIMIT);
            assert_eq!(limit.wait(pending::<()>()).await, None);
            assert_eq!(limit.started.elapsed(), LIMIT);
        };
        assert_eq!(ends_after(in_vain).await, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_dropped_is_over() {
        let dropped = async |limit: &TimeLimit| {
            let given_up = timeout(Duration::from_secs(10), limit.wait(pending::<()>()));
            assert!(given_up.await.is_err());
        };
        assert_eq!(ends_after(dropped).await, 110);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_time_that_can_be_told_is_a_time() {
        let limit = TimeLimit::new(Duration::MAX);
        assert_eq!(limit.wait(seconds(5)).await, Some(()));
        assert!(timeout(LIMIT, limit.used_up()).await.is_err());
    }
}
