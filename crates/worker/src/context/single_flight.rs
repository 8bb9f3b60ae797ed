//! Who of this process sends which blob at this moment.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::transfer::single_flight::{
    BlobFlight, Follower, Leader, LeaderState, Part, SingleFlight,
};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long another image's sending may stand still before it is no longer waited for: its source may hang, and one image's
/// failure must not become another's.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

type InFlight = Arc<Mutex<HashMap<BlobFlight, LocalFollower>>>;

/// What this process is sending.
#[derive(Clone, Debug, Default)]
pub struct LocalSingleFlight(InFlight);

/// A leader of this process.
struct LocalLeader {
    in_flight: InFlight,
    flight: BlobFlight,
    bytes: Arc<AtomicU64>,
    _wakes: watch::Sender<()>,
}

/// What who follows sees of its leader.
#[derive(Clone, Debug)]
struct LocalFollower {
    bytes: Arc<AtomicU64>,
    ended: watch::Receiver<()>,
}

#[async_trait]
impl SingleFlight for LocalSingleFlight {
    async fn join(&self, flight: &BlobFlight) -> Part {
        match lock(&self.0).entry(flight.clone()) {
            Entry::Occupied(other) => Part::Follower(Box::new(other.get().clone())),
            Entry::Vacant(free) => {
                // A channel, since it closes when the leader is dropped: a leader that is cancelled or panics wakes its
                // followers too.
                let (wakes, ended) = watch::channel(());
                let bytes = Arc::new(AtomicU64::new(0));
                free.insert(LocalFollower {
                    bytes: Arc::clone(&bytes),
                    ended,
                });
                Part::Leader(Box::new(LocalLeader {
                    in_flight: Arc::clone(&self.0),
                    flight: flight.clone(),
                    bytes,
                    _wakes: wakes,
                }))
            }
        }
    }
}

impl Leader for LocalLeader {
    fn advanced(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[async_trait]
impl Follower for LocalFollower {
    async fn wait(mut self: Box<Self>) -> LeaderState {
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

impl Drop for LocalLeader {
    fn drop(&mut self) {
        // Before the channel closes, as fields are dropped after this: who is woken finds the place free.
        lock(&self.in_flight).remove(&self.flight);
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::image::digest::Digest;
    use image_sync_shared::ports::transfer::single_flight::Store;

    use super::*;

    fn flight(number: u8) -> BlobFlight {
        BlobFlight::Store(Store::Folders, Digest::of(&[number]))
    }

    fn leads(part: &Part) -> bool {
        matches!(part, Part::Leader(_))
    }

    async fn follower(single_flight: &LocalSingleFlight) -> Box<dyn Follower> {
        match single_flight.join(&flight(1)).await {
            Part::Follower(other) => other,
            Part::Leader(_) => panic!("two send the same"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_leads_and_the_next_follows_when_it_ended() {
        let single_flight = LocalSingleFlight::default();
        let first = single_flight.join(&flight(1)).await;
        assert!(leads(&first));
        let other = single_flight.join(&flight(2)).await;
        assert!(leads(&other), "another blob is free");
        let (second, third) = (
            follower(&single_flight).await,
            follower(&single_flight).await,
        );
        let (second, third, ()) = tokio::join!(second.wait(), third.wait(), async { drop(first) });
        assert_eq!((second, third), (LeaderState::Ended, LeaderState::Ended));
        let next = single_flight.join(&flight(1)).await;
        assert!(leads(&next));
        assert!(!leads(&single_flight.join(&flight(1)).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_leader_is_not_waited_for() {
        let single_flight = LocalSingleFlight::default();
        let Part::Leader(first) = single_flight.join(&flight(1)).await else {
            panic!("nobody else sends");
        };
        let waited = follower(&single_flight).await.wait().await;
        assert_eq!(waited, LeaderState::Stalled);
        let sending = async {
            for _ in 0..6 {
                tokio::time::sleep(STALL_TIMEOUT / 2).await;
                first.advanced(1);
            }
            drop(first);
        };
        let follower = follower(&single_flight).await;
        let (waited, ()) = tokio::join!(follower.wait(), sending);
        assert_eq!(waited, LeaderState::Ended, "however long it takes");
    }
}
