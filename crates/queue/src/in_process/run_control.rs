//! Open and cancelled runs in memory.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::runs::run_control::{Opening, RunControl};
use image_sync_shared::ports::runs::run_states::RunState;
use image_sync_shared::run::RunId;
use time::OffsetDateTime;

use super::run_states::InProcessRunStates;

struct Claim {
    run: RunId,
    until: OffsetDateTime,
}

/// Knows the runs of one process.
pub(super) struct InProcessRunControl {
    clock: Arc<dyn Clock>,
    states: Arc<InProcessRunStates>,
    claims: Mutex<HashMap<String, Claim>>,
    cancelled: Mutex<HashSet<RunId>>,
}

impl InProcessRunControl {
    pub(super) fn new(clock: Arc<dyn Clock>, states: Arc<InProcessRunStates>) -> Self {
        Self {
            clock,
            states,
            claims: Mutex::default(),
            cancelled: Mutex::default(),
        }
    }

    /// Knows a run no longer.
    pub(super) fn forget(&self, run: &RunId) {
        lock(&self.cancelled).remove(run);
        self.states.forget(run);
    }
}

#[async_trait]
impl RunControl for InProcessRunControl {
    async fn open(
        &self,
        catalog: &str,
        run: &RunId,
        until: OffsetDateTime,
    ) -> Result<Opening, QueueError> {
        let mut claims = lock(&self.claims);
        if let Some(claim) = claims.get(catalog)
            && claim.until > self.clock.now()
            && claim.run != *run
        {
            return Ok(Opening::Busy(claim.run.clone()));
        }
        let run = run.clone();
        self.states.opened(RunState {
            run: run.clone(),
            catalog: catalog.to_owned(),
            until,
            ended: None,
        });
        claims.insert(catalog.to_owned(), Claim { run, until });
        Ok(Opening::Opened)
    }

    async fn close(&self, catalog: &str, run: &RunId) -> Result<(), QueueError> {
        let mut claims = lock(&self.claims);
        if claims.get(catalog).is_some_and(|claim| claim.run == *run) {
            claims.remove(catalog);
        }
        Ok(())
    }

    async fn cancel(&self, run: &RunId) -> Result<(), QueueError> {
        lock(&self.cancelled).insert(run.clone());
        Ok(())
    }

    fn is_cancelled(&self, run: &RunId) -> bool {
        lock(&self.cancelled).contains(run)
    }

    async fn was_cancelled(&self, run: &RunId) -> Result<bool, QueueError> {
        Ok(self.is_cancelled(run))
    }
}
