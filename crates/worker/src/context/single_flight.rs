//! Single flight: one blob is sent to one registry by one image of this process at a time, the leader; the followers wait, and
//! find it there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long another image's sending may stand still before it is no longer waited for: its source may hang, and one image's
/// failure must not become another's.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What is being sent, by key.
#[derive(Debug)]
pub(crate) struct SingleFlight<K: Eq + Hash>(Mutex<HashMap<K, Follower>>);

/// The role of who asks for a key.
pub(crate) enum Role<'a, K: Eq + Hash> {
    /// The caller sends.
    Leader(Leader<'a, K>),
    /// Another image is at it.
    Follower(Follower),
}

/// The right to send. Dropping it, in whatever way the sending ended, wakes all who wait.
pub(crate) struct Leader<'a, K: Eq + Hash> {
    single_flight: &'a SingleFlight<K>,
    key: K,
    bytes: Arc<AtomicU64>,
    _wakes: watch::Sender<()>,
}

/// What who follows sees of its leader.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    bytes: Arc<AtomicU64>,
    ended: watch::Receiver<()>,
}

/// What became of a leader that was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaderState {
    /// It ended, well or not.
    Ended,
    /// It stands still.
    Stalled,
}

impl<K: Eq + Hash> Default for SingleFlight<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> SingleFlight<K> {
    /// Leads for `key`, or follows who does.
    pub(crate) fn join(&self, key: &K) -> Role<'_, K> {
        match self.in_flight().entry(key.clone()) {
            Entry::Occupied(other) => Role::Follower(other.get().clone()),
            Entry::Vacant(free) => {
                // A channel, since it closes when the leader is dropped: a leader that is cancelled or panics wakes its
                // followers too.
                let (wakes, ended) = watch::channel(());
                let bytes = Arc::new(AtomicU64::new(0));
                free.insert(Follower {
                    bytes: Arc::clone(&bytes),
                    ended,
                });
                Role::Leader(Leader {
                    single_flight: self,
                    key: key.clone(),
                    bytes,
                    _wakes: wakes,
                })
            }
        }
    }
}

impl<K: Eq + Hash> SingleFlight<K> {
    fn in_flight(&self) -> MutexGuard<'_, HashMap<K, Follower>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Leader<'_, K> {
    /// Some bytes were sent.
    pub(crate) fn advanced(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Follower {
    /// Waits until it ends, or stands still.
    pub(crate) async fn wait(mut self) -> LeaderState {
        loop {
            let before = self.bytes.load(Ordering::Relaxed);
            // Nothing is ever sent: the channel only closes.
            if timeout(STALL_TIMEOUT, self.ended.changed()).await.is_ok() {
                return LeaderState::Ended;
            }
            if self.bytes.load(Ordering::Relaxed) == before {
                return LeaderState::Stalled;
            }
        }
    }
}

impl<K: Eq + Hash> Drop for Leader<'_, K> {
    fn drop(&mut self) {
        self.single_flight.in_flight().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(role: &Role<'_, u8>) -> bool {
        matches!(role, Role::Leader(_))
    }

    fn follower(single_flight: &SingleFlight<u8>) -> Follower {
        match single_flight.join(&1) {
            Role::Follower(other) => other,
            Role::Leader(_) => panic!("two send the same"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_leads_and_the_next_follows_when_it_ended() {
        let single_flight = SingleFlight::default();
        let first = single_flight.join(&1);
        assert!(leads(&first));
        assert!(leads(&single_flight.join(&2)), "another key is free");
        let (second, third) = (follower(&single_flight), follower(&single_flight));
        let (second, third, ()) = tokio::join!(second.wait(), third.wait(), async { drop(first) });
        assert_eq!((second, third), (LeaderState::Ended, LeaderState::Ended));
        let next = single_flight.join(&1);
        assert!(leads(&next));
        assert!(!leads(&single_flight.join(&1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_leader_is_not_waited_for() {
        let single_flight = SingleFlight::default();
        let Role::Leader(first) = single_flight.join(&1) else {
            panic!("nobody else sends");
        };
        assert_eq!(follower(&single_flight).wait().await, LeaderState::Stalled);
        let sending = async {
            for _ in 0..6 {
                tokio::time::sleep(STALL_TIMEOUT / 2).await;
                first.advanced(1);
            }
            drop(first);
        };
        let (waited, ()) = tokio::join!(follower(&single_flight).wait(), sending);
        assert_eq!(waited, LeaderState::Ended, "however long it takes");
    }
}
