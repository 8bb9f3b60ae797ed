//! The role *aggregator* over all runs: follows every open one, and stores its report before its state says that it ended.
//!
//! Nothing is kept here that cannot be read again, so aggregators can be killed, and several may do the same work.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::run_control::RunControl;
use image_sync_shared::ports::run_states::{RunState, RunStates};
use image_sync_shared::report::ReportHead;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::aggregate::{AggregateError, Aggregator, FinishedRun};
use crate::outage::Outage;

/// How long one look for runs waits.
const LOOK: Duration = Duration::from_secs(5);
/// The wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long after its deadline a run may still have no log.
const NO_LOG: Duration = Duration::from_secs(60);

/// Keeps reports.
#[async_trait]
pub trait ReportStore: Send + Sync {
    /// Stores the report of a run, and returns only then.
    async fn put(&self, finished: FinishedRun) -> Result<(), QueueError>;
}

/// What following all runs takes.
#[derive(Clone)]
pub struct RunFollower {
    /// Follows one run.
    pub aggregator: Aggregator,
    /// Knows the runs.
    pub states: Arc<dyn RunStates>,
    /// Closes them.
    pub control: Arc<dyn RunControl>,
    /// Takes their reports.
    pub reports: Arc<dyn ReportStore>,
}

#[derive(Debug, Error)]
enum FollowError {
    #[error(transparent)]
    Aggregate(#[from] AggregateError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl RunFollower {
    /// Follows all runs until `stop` is cancelled. Those that are open then are left to the next aggregator. A queue that is
    /// away is waited for.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), QueueError> {
        let mut reader = self.states.follow().await?;
        let (mut following, mut known) = (JoinSet::new(), HashSet::new());
        let mut outage = Outage::default();
        loop {
            let state = async {
                let state = reader.next(LOOK).await;
                outage.sit_out(state).await
            };
            let state = tokio::select! {
                state = state => state?,
                () = stop.cancelled() => return Ok(()),
            };
            while following.try_join_next().is_some() {}
            let Some(state) = state.flatten() else {
                continue;
            };
            if state.ended.is_some() {
                known.remove(&state.run);
            } else if known.insert(state.run.clone()) {
                let follower = self.clone();
                following.spawn(async move { follower.follow(&state).await });
            }
        }
    }

    async fn follow(&self, state: &RunState) {
        while let Err(error) = self.finish(state).await {
            tracing::error!(run = %state.run, %error, "no report yet: trying again");
            sleep(AFTER_FAILURE).await;
        }
    }

    async fn finish(&self, state: &RunState) -> Result<(), FollowError> {
        let stop = CancellationToken::new();
        let left = state.until - self.aggregator.clock.now();
        let patience = Duration::try_from(left).unwrap_or_default() + NO_LOG;
        let follow = self.aggregator.follow(&state.run, &stop);
        tokio::pin!(follow);
        let finished = match timeout(patience, &mut follow).await {
            Ok(finished) => finished,
            Err(_elapsed) => {
                stop.cancel();
                follow.await
            }
        };
        match finished {
            Ok(finished) => {
                let head: ReportHead = finished.head.clone();
                self.reports.put(finished).await?;
                self.states.end(&head).await?;
            }
            Err(AggregateError::NotOpened(run)) => {
                tracing::warn!(%run, "a run without a log is closed: its producer died as it opened it");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.control.close(&state.catalog, &state.run).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use image_sync_shared::outcome::Action;
    use image_sync_shared::ports::run_states::RunStateReader;
    use image_sync_shared::ports::trace_context::Untraced;
    use image_sync_shared::run::{RunEvent, RunId};

    use super::*;
    use crate::samples::{self, FakeClock, FakeControl, FakeLog};

    /// One open run, and what was done about it, in order.
    #[derive(Clone, Default)]
    struct Stores {
        done: Arc<Mutex<Vec<&'static str>>>,
        over: CancellationToken,
    }

    struct Once(Option<RunState>);

    #[async_trait]
    impl RunStateReader for Once {
        async fn next(&mut self, wait: Duration) -> Result<Option<RunState>, QueueError> {
            if self.0.is_none() {
                sleep(wait).await;
            }
            Ok(self.0.take())
        }
    }

    #[async_trait]
    impl RunStates for Stores {
        async fn get(&self, _: &RunId) -> Result<Option<RunState>, QueueError> {
            Ok(None)
        }

        async fn end(&self, head: &ReportHead) -> Result<(), QueueError> {
            assert_eq!(head.run_id, samples::run());
            self.done.lock().unwrap().push("ended");
            self.over.cancel();
            Ok(())
        }

        async fn follow(&self) -> Result<Box<dyn RunStateReader>, QueueError> {
            Ok(Box::new(Once(Some(RunState {
                run: samples::run(),
                catalog: "c0ffee".to_owned(),
                until: samples::opened().deadline_at,
                ended: None,
            }))))
        }
    }

    #[async_trait]
    impl ReportStore for Stores {
        async fn put(&self, finished: FinishedRun) -> Result<(), QueueError> {
            assert_eq!(finished.head.summary.total, 1);
            self.done.lock().unwrap().push("stored");
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_is_stored_before_its_run_is_said_to_have_ended() {
        let stores = Stores::default();
        let log = FakeLog::of([
            RunEvent::Open(samples::opened()),
            RunEvent::Seal { expected: 1 },
            samples::result(0, Action::Pulled),
        ]);
        let follower = RunFollower {
            aggregator: Aggregator {
                log: Arc::new(log),
                clock: Arc::new(FakeClock::new()),
                traces: Arc::new(Untraced),
            },
            states: Arc::new(stores.clone()),
            control: Arc::new(FakeControl::default()),
            reports: Arc::new(stores.clone()),
        };
        follower.run(&stores.over).await.unwrap();
        assert_eq!(*stores.done.lock().unwrap(), ["stored", "ended"]);
    }
}
