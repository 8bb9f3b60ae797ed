//! The ids of the messages of the last minutes, so that repeats are seen.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// Remembers ids for `window`, at most the last `capacity` of them, each as a keyed 64 bit hash: that one id is taken
/// for another of 100,000 happens once in 10^14 messages.
pub(super) struct RecentIds {
    window: Duration,
    capacity: usize,
    key: RandomState,
    known: HashSet<u64>,
    by_age: VecDeque<(Instant, u64)>,
}

impl RecentIds {
    pub(super) fn new(window: Duration, capacity: usize) -> Self {
        Self {
            window,
            capacity,
            key: RandomState::new(),
            known: HashSet::new(),
            by_age: VecDeque::new(),
        }
    }

    pub(super) fn contains(&mut self, id: &str, now: Instant) -> bool {
        self.forget_older_than_window(now);
        self.known.contains(&self.key.hash_one(id))
    }

    pub(super) fn insert(&mut self, id: &str, now: Instant) {
        let hash = self.key.hash_one(id);
        if self.known.insert(hash) {
            self.by_age.push_back((now, hash));
        }
        if self.by_age.len() > self.capacity {
            self.forget_oldest();
        }
    }

    fn forget_older_than_window(&mut self, now: Instant) {
        while let Some((at, _)) = self.by_age.front()
            && now.duration_since(*at) >= self.window
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, hash)) = self.by_age.pop_front() {
            self.known.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);

    #[test]
    fn an_id_is_known_for_the_window_and_no_longer() {
        let start = Instant::now();
        let mut ids = RecentIds::new(WINDOW, 10);
        ids.insert("a", start);
        ids.insert("b", start + Duration::from_secs(1));
        let end = start + WINDOW;
        assert!(ids.contains("a", end - Duration::from_nanos(1)));
        assert!(!ids.contains("a", end));
        assert!(ids.contains("b", end));
    }

    #[test]
    fn the_number_of_ids_is_bounded_and_the_oldest_goes_first() {
        let now = Instant::now();
        let mut ids = RecentIds::new(WINDOW, 100);
        for id in 0..1_000 {
            ids.insert(&id.to_string(), now);
        }
        assert_eq!((ids.known.len(), ids.by_age.len()), (100, 100));
        assert!(!ids.contains("899", now));
        assert!(ids.contains("900", now) && ids.contains("999", now));
    }
}
