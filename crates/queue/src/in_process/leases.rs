//! Leases in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::leases::{Lease, Leases, Renewal};
use tokio::time::Instant;

use crate::lock::lock;

struct Held {
    revision: u64,
    holder: String,
    until: Instant,
}

#[derive(Default)]
struct State {
    last_revision: u64,
    held: HashMap<String, Held>,
}

impl State {
    fn grant(&mut self, key: &str, holder: String, until: Instant) -> Lease {
        self.last_revision += 1;
        let revision = self.last_revision;
        let held = Held {
            revision,
            holder,
            until,
        };
        self.held.insert(key.to_owned(), held);
        Lease {
            key: key.to_owned(),
            revision,
        }
    }

    fn is_current(&self, lease: &Lease) -> bool {
        self.held
            .get(&lease.key)
            .is_some_and(|held| held.revision == lease.revision)
    }

    fn end_overdue(&mut self, now: Instant) {
        self.held.retain(|_, held| held.until > now);
    }
}

/// Grants leases within one process.
pub(super) struct InProcessLeases {
    term: Duration,
    state: Mutex<State>,
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
        if state.held.contains_key(key) {
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
        let held = state.held.remove(&lease.key);
        let holder = held.map(|held| held.holder).unwrap_or_default();
        let renewed = state.grant(&lease.key, holder, now + self.term);
        Ok(Renewal::Held(renewed))
    }

    async fn holders(&self) -> Result<BTreeMap<String, String>, QueueError> {
        let (mut state, now) = (lock(&self.state), Instant::now());
        state.end_overdue(now);
        let holders = state.held.iter();
        Ok(holders
            .map(|(key, held)| (key.clone(), held.holder.clone()))
            .collect())
    }

    async fn release(&self, lease: Lease) -> Result<(), QueueError> {
        let mut state = lock(&self.state);
        if state.is_current(&lease) {
            state.held.remove(&lease.key);
        }
        Ok(())
    }
}
