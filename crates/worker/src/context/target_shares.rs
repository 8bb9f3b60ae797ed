//! Slots are shared among the hosts of targets: one that is slow, or does not answer, leaves some to the others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_sync_shared::panics::lock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a job waits in its slot for the share of its host. A host from which none comes back for so long is slow.
const WAIT: Duration = Duration::from_secs(10);

/// Who has how many slots.
#[derive(Debug)]
pub(crate) struct TargetShares {
    /// How many a host may have; none where there is one host alone.
    share: Option<usize>,
    hosts: Mutex<HashMap<String, Arc<HostShare>>>,
}

#[derive(Debug)]
struct HostShare {
    free: Arc<Semaphore>,
    /// Whether a job has waited in vain since the last one ended.
    is_slow: AtomicBool,
}

/// A part of a host's share, for as long as a job is worked.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    host: Option<(Arc<HostShare>, OwnedSemaphorePermit)>,
}

impl TargetShares {
    /// `slots` for the jobs of `hosts` hosts. All but one of them together cannot have all slots.
    pub(crate) fn new(slots: usize, hosts: usize) -> Self {
        let others = hosts.saturating_sub(1);
        let share = (others > 0).then(|| (slots.saturating_sub(1) / others).max(1));
        Self {
            share,
            hosts: Mutex::default(),
        }
    }

    /// A part of the share of `host`, once there is one. None if it has had them all in use for some time.
    pub(crate) async fn take(&self, host: &str) -> Option<Shared> {
        let Some(share) = self.share else {
            return Some(Shared::default());
        };
        let of_host = self.of(host, share);
        let free = Arc::clone(&of_host.free);
        let permit = match Arc::clone(&free).try_acquire_owned() {
            Ok(permit) => permit,
            // Whoever waited before has waited long enough for all: a slot is not for waiting.
            Err(_) if of_host.is_slow.load(Ordering::Relaxed) => return None,
            Err(_) => {
                let waited = timeout(WAIT, free.acquire_owned()).await;
                let Ok(Ok(permit)) = waited else {
                    of_host.is_slow.store(true, Ordering::Relaxed);
                    return None;
                };
                permit
            }
        };
        Some(Shared {
            host: Some((of_host, permit)),
        })
    }

    fn of(&self, host: &str, share: usize) -> Arc<HostShare> {
        let mut hosts = lock(&self.hosts);
        // As many hosts as the config has, and those of jobs that name others: each stays for a few bytes.
        if let Some(known) = hosts.get(host) {
            return Arc::clone(known);
        }
        let new = Arc::new(HostShare {
            free: Arc::new(Semaphore::new(share)),
            is_slow: AtomicBool::new(false),
        });
        hosts.insert(host.to_owned(), Arc::clone(&new));
        new
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some((host, _)) = &self.host {
            host.is_slow.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_hosts_but_one_together_leave_a_slot_free() {
        for (slots, hosts, share) in [(16, 2, 15), (16, 3, 7), (4, 3, 1), (1, 2, 1), (8, 20, 1)] {
            let shares = TargetShares::new(slots, hosts);
            assert_eq!(shares.share, Some(share), "{slots} {hosts}");
        }
        assert_eq!(TargetShares::new(16, 1).share, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_whose_share_is_in_use_for_long_gets_no_more_until_a_job_ends() {
        let shares = TargetShares::new(3, 3);
        let first = shares.take("slow.test").await.unwrap();
        let other = shares.take("other.test").await;
        assert!(other.is_some(), "others are not concerned");
        let start = tokio::time::Instant::now();
        assert!(shares.take("slow.test").await.is_none());
        assert_eq!(start.elapsed(), WAIT);
        assert!(shares.take("slow.test").await.is_none());
        assert_eq!(start.elapsed(), WAIT, "the next one does not wait");
        drop(first);
        assert!(shares.take("slow.test").await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_waits_a_moment_for_the_one_before() {
        let shares = TargetShares::new(2, 3);
        let first = shares.take("a.test").await.unwrap();
        let free = async {
            tokio::time::sleep(WAIT / 2).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(shares.take("a.test"), free);
        assert!(second.is_some());
    }
}
