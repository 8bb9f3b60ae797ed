//! The states of runs in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::runs::run_states::{RunState, RunStateReader, RunStates};
use image_sync_shared::run::RunId;
use image_sync_shared::run::report::ReportHead;
use tokio::sync::Notify;

use super::waiting::within;

#[derive(Default)]
struct Known {
    states: BTreeMap<RunId, RunState>,
    /// Which state changed when, by its number, for those who follow.
    changes: BTreeMap<u64, RunId>,
    /// The number of the next change.
    next: u64,
}

impl Known {
    fn note_change(&mut self, run: &RunId) {
        self.changes.insert(self.next, run.clone());
        self.next += 1;
    }
}

/// Knows the runs of one process.
#[derive(Default)]
pub(super) struct InProcessRunStates {
    known: Mutex<Known>,
    changed: Notify,
}

impl InProcessRunStates {
    /// Learns of a run that is opened. One that is opened again has a state.
    pub(super) fn opened(&self, state: RunState) {
        let mut known = lock(&self.known);
        if !known.states.contains_key(&state.run) {
            known.note_change(&state.run);
            known.states.insert(state.run.clone(), state);
            self.changed.notify_waiters();
        }
    }

    /// Knows a run no longer. Who follows and has not read of it yet does not hear of it.
    pub(super) fn forget(&self, run: &RunId) {
        let mut known = lock(&self.known);
        known.states.remove(run);
        known.changes.retain(|_, of| of != run);
    }
}

/// The port, for as many as want it.
pub(super) struct SharedRunStates(pub(super) Arc<InProcessRunStates>);

#[async_trait]
impl RunStates for SharedRunStates {
    async fn get(&self, run: &RunId) -> Result<Option<RunState>, QueueError> {
        Ok(lock(&self.0.known).states.get(run).cloned())
    }

    async fn end(&self, head: &ReportHead) -> Result<bool, QueueError> {
        let mut known = lock(&self.0.known);
        let state = known.states.get_mut(&head.run_id);
        let Some(state) = state.filter(|state| state.ended.is_none()) else {
            return Ok(false);
        };
        state.ended = Some(head.clone());
        known.note_change(&head.run_id);
        self.0.changed.notify_waiters();
        Ok(true)
    }

    async fn follow(&self) -> Result<Box<dyn RunStateReader>, QueueError> {
        let known = lock(&self.0.known);
        Ok(Box::new(Reader {
            runs: Arc::clone(&self.0),
            first: known.states.values().cloned().collect(),
            next: known.next,
        }))
    }
}

struct Reader {
    runs: Arc<InProcessRunStates>,
    /// What there was at the beginning.
    first: VecDeque<RunState>,
    /// The number of the first change that was not read.
    next: u64,
}

impl Reader {
    fn take(&mut self) -> Option<RunState> {
        if let Some(state) = self.first.pop_front() {
            return Some(state);
        }
        let known = lock(&self.runs.known);
        let (number, run) = known.changes.range(self.next..).next()?;
        self.next = number + 1;
        known.states.get(run).cloned()
    }
}

#[async_trait]
impl RunStateReader for Reader {
    async fn next(&mut self, wait: Duration) -> Result<Option<RunState>, QueueError> {
        let runs = Arc::clone(&self.runs);
        within(wait, async {
            loop {
                let changed = runs.changed.notified();
                if let Some(state) = self.take() {
                    return Ok(Some(state));
                }
                changed.await;
            }
        })
        .await
    }
}
