//! One blob is sent to one registry by one image of this process at a time; others wait, and find it there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long another image's sending may stand still before it is no longer waited for: its source may hang, and one image's
/// trouble must not become another's.
const STANDSTILL: Duration = Duration::from_secs(10);

/// What is under way, by key.
#[derive(Debug)]
pub(crate) struct Flights<K: Eq + Hash>(Mutex<HashMap<K, Other>>);

/// Whose turn it is.
pub(crate) enum Turn<'a, K: Eq + Hash> {
    /// The caller's.
    Mine(Flight<'a, K>),
    /// Another's, who is at it.
    Other(Other),
}

/// The right to send. Dropping it, in whatever way the sending ended, wakes all who wait.
pub(crate) struct Flight<'a, K: Eq + Hash> {
    flights: &'a Flights<K>,
    key: K,
    bytes: Arc<AtomicU64>,
    _wakes: watch::Sender<()>,
}

/// The sending of another image.
#[derive(Clone, Debug)]
pub(crate) struct Other {
    bytes: Arc<AtomicU64>,
    ended: watch::Receiver<()>,
}

/// How waiting for another came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It ended, well or not.
    Ended,
    /// It stands still.
    StandsStill,
}

impl<K: Eq + Hash> Default for Flights<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> Flights<K> {
    /// Takes the turn for `key`, unless another has it.
    pub(crate) fn take(&self, key: &K) -> Turn<'_, K> {
        match self.under_way().entry(key.clone()) {
            Entry::Occupied(other) => Turn::Other(other.get().clone()),
            Entry::Vacant(free) => {
                let (wakes, ended) = watch::channel(());
                let bytes = Arc::new(AtomicU64::new(0));
                free.insert(Other {
                    bytes: Arc::clone(&bytes),
                    ended,
                });
                Turn::Mine(Flight {
                    flights: self,
                    key: key.clone(),
                    bytes,
                    _wakes: wakes,
                })
            }
        }
    }
}

impl<K: Eq + Hash> Flights<K> {
    fn under_way(&self) -> MutexGuard<'_, HashMap<K, Other>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Flight<'_, K> {
    /// Some bytes were sent.
    pub(crate) fn advanced(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Other {
    /// Waits until it ends, or stands still.
    pub(crate) async fn wait(mut self) -> Waited {
        loop {
            let before = self.bytes.load(Ordering::Relaxed);
            // Nothing is ever sent: the channel only closes.
            if timeout(STANDSTILL, self.ended.changed()).await.is_ok() {
                return Waited::Ended;
            }
            if self.bytes.load(Ordering::Relaxed) == before {
                return Waited::StandsStill;
            }
        }
    }
}

impl<K: Eq + Hash> Drop for Flight<'_, K> {
    fn drop(&mut self) {
        self.flights.under_way().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_mine(turn: &Turn<'_, u8>) -> bool {
        matches!(turn, Turn::Mine(_))
    }

    fn other(flights: &Flights<u8>) -> Other {
        match flights.take(&1) {
            Turn::Other(other) => other,
            Turn::Mine(_) => panic!("two send the same"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_sends_and_the_next_follows_when_it_ended() {
        let flights = Flights::default();
        let first = flights.take(&1);
        assert!(is_mine(&first));
        assert!(is_mine(&flights.take(&2)), "another key is free");
        let (second, third) = (other(&flights), other(&flights));
        let (second, third, ()) = tokio::join!(second.wait(), third.wait(), async { drop(first) });
        assert_eq!((second, third), (Waited::Ended, Waited::Ended));
        let next = flights.take(&1);
        assert!(is_mine(&next));
        assert!(!is_mine(&flights.take(&1)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stands_still_is_not_waited_for() {
        let flights = Flights::default();
        let Turn::Mine(first) = flights.take(&1) else {
            panic!("nobody else sends");
        };
        assert_eq!(other(&flights).wait().await, Waited::StandsStill);
        let sending = async {
            for _ in 0..6 {
                tokio::time::sleep(STANDSTILL / 2).await;
                first.advanced(1);
            }
            drop(first);
        };
        let (waited, ()) = tokio::join!(other(&flights).wait(), sending);
        assert_eq!(waited, Waited::Ended, "however long it takes");
    }
}
