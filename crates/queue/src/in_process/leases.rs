//! Leases in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::leases::{Lease, Leases, Renewal};
use tokio::time::Instant;

struct Grant {
    revision: u64,
    holder: String,
    until: Instant,
}

#[derive(Default)]
struct LeaseTable {
    last_revision: u64,
    grants: HashMap<String, Grant>,
}

impl LeaseTable {
    fn grant(&mut self, key: &str, holder: String, until: Instant) -> Lease {
        self.last_revision += 1;
        let revision = self.last_revision;
        let grants = Grant {
            revision,
            holder,
            until,
        };
        self.grants.insert(key.to_owned(), grants);
        Lease {
            key: key.to_owned(),
            revision,
        }
    }

    fn is_current(&self, lease: &Lease) -> bool {
        self.grants
            .get(&lease.key)
            .is_some_and(|grants| grants.revision == lease.revision)
    }

    fn end_overdue(&mut self, now: Instant) {
        self.grants.retain(|_, grants| grants.until > now);
    }
}

/// Grants leases within one process.
pub(super) struct InProcessLeases {
    term: Duration,
    state: Mutex<LeaseTable>,
}

impl InProcessLeases {
    pub(super) fn new(term: Duration) -> Self {
        Self {
            term,
            state: Mutex::default(),
        }
    }
}

#[async_trait]
impl Leases for InProcessLeases {
    async fn acquire(&self, key: &str, holder: &str) -> Result<Option<Lease>, QueueError> {
        let (mut state, now) = (lock(&self.state), Instant::now());
        state.end_overdue(now);
        if state.grants.contains_key(key) {
            return Ok(None);
        }
        tracing::debug!(key, holder, "lease granted");
        Ok(Some(state.grant(key, holder.to_owned(), now + self.term)))
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, QueueError> {
        let (mut state, now) = (lock(&self.state), Instant::now());
        state.end_overdue(now);
        if !state.is_current(lease) {
            return Ok(Renewal::Lost);
        }
        let grants = state.grants.remove(&lease.key);
        // Renewed by who holds it, whom only the former grant names.
        let holder = grants.map(|grants| grants.holder).unwrap_or_default();
        let renewed = state.grant(&lease.key, holder, now + self.term);
        Ok(Renewal::Held(renewed))
    }

    async fn holders(&self) -> Result<BTreeMap<String, String>, QueueError> {
        let (mut state, now) = (lock(&self.state), Instant::now());
        state.end_overdue(now);
        let holders = state.grants.iter();
        Ok(holders
            .map(|(key, grants)| (key.clone(), grants.holder.clone()))
            .collect())
    }

    async fn term(&self) -> Result<Duration, QueueError> {
        Ok(self.term)
    }

    async fn release(&self, lease: Lease) -> Result<(), QueueError> {
        let mut state = lock(&self.state);
        if state.is_current(&lease) {
            state.grants.remove(&lease.key);
        }
        Ok(())
    }
}
