//! One blob is sent to one registry by one image of this process at a time; others wait, and find it there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What is under way, by key.
#[derive(Debug)]
pub(crate) struct Flights<K: Eq + Hash>(Mutex<HashMap<K, watch::Receiver<()>>>);

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
    _wakes: watch::Sender<()>,
}

/// The sending of another image.
pub(crate) struct Other(watch::Receiver<()>);

impl<K: Eq + Hash> Default for Flights<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> Flights<K> {
    /// Takes the turn for `key`, unless another has it.
    pub(crate) fn take(&self, key: &K) -> Turn<'_, K> {
        match self.under_way().entry(key.clone()) {
            Entry::Occupied(other) => Turn::Other(Other(other.get().clone())),
            Entry::Vacant(free) => {
                let (wakes, ended) = watch::channel(());
                free.insert(ended);
                Turn::Mine(Flight {
                    flights: self,
                    key: key.clone(),
                    _wakes: wakes,
                })
            }
        }
    }
}

impl<K: Eq + Hash> Flights<K> {
    fn under_way(&self) -> MutexGuard<'_, HashMap<K, watch::Receiver<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Other {
    /// Waits until it ended, well or not.
    pub(crate) async fn ended(mut self) {
        while self.0.changed().await.is_ok() {}
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

    #[tokio::test]
    async fn one_sends_and_the_next_follows_when_it_ended() {
        let flights = Flights::default();
        let first = flights.take(&1);
        assert!(is_mine(&first));
        assert!(is_mine(&flights.take(&2)), "another key is free");
        let Turn::Other(second) = flights.take(&1) else {
            panic!("two send the same");
        };
        let Turn::Other(third) = flights.take(&1) else {
            panic!("two send the same");
        };
        let ((), (), ()) = tokio::join!(second.ended(), third.ended(), async { drop(first) });
        let next = flights.take(&1);
        assert!(is_mine(&next));
        assert!(!is_mine(&flights.take(&1)));
    }
}
