//! The role *aggregator* over all runs: follows every open one, and stores its report before its state says that it ended.
//!
//! Nothing is kept here that cannot be read again, so aggregators can be killed, and several may do the same work.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::job_queue::JobQueue;
use image_sync_shared::ports::runs::run_control::RunControl;
use image_sync_shared::ports::runs::run_states::{RunState, RunStates};
use image_sync_shared::ports::telemetry::measures::Measures;
use image_sync_shared::run::RunId;
use image_sync_shared::run::report::{Extent, LeftOut, ReportHead, RunStatus};
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::again::again_after_panic;
use crate::aggregate::{AggregateError, Aggregator, Ending, FinishedRun};
use crate::outage::Outage;

/// How long one look for runs waits.
const LOOK: Duration = Duration::from_secs(5);
/// The wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How late a cancellation is seen at most.
const CANCEL_LOOK: Duration = Duration::from_millis(250);

/// How often a report may be refused before its run ends without one: for a minute.
const MAX_REFUSALS: u32 = 12;

/// Keeps reports.
#[async_trait]
pub trait ReportStore: Send + Sync {
    /// Stores the report of a run, and returns only then, with what it lacks, as all of it did not fit.
    async fn put(&self, finished: FinishedRun) -> Result<Option<LeftOut>, QueueError>;
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
    /// Drops the jobs of those that ended.
    pub queue: Arc<dyn JobQueue>,
    /// Takes their reports.
    pub reports: Arc<dyn ReportStore>,
}

#[derive(Debug, Error)]
enum FollowError {
    #[error(transparent)]
    Aggregate(#[from] AggregateError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The report is not taken, although the queue can be reached.
    #[error("the report: {0}")]
    Report(QueueError),
}

impl FollowError {
    fn is_of_a_queue_away(&self) -> bool {
        matches!(
            self,
            Self::Queue(QueueError::Unreachable(_))
                | Self::Aggregate(AggregateError::Log(QueueError::Unreachable(_)))
        )
    }
}

impl RunFollower {
    /// Follows all runs until `stop` is cancelled. Those that are open then are left to the next aggregator. A queue that is
    /// away is waited for. What is wrong with one run keeps no other from being followed.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), QueueError> {
        again_after_panic("following runs", || self.follow_all(stop)).await
    }

    async fn follow_all(&self, stop: &CancellationToken) -> Result<(), QueueError> {
        let mut reader = self.states.follow().await?;
        // Dropping the set ends its tasks, so that no run is followed twice when this begins anew after a panic.
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
            // Those that ended are taken out, or the set would grow with every run.
            while following.try_join_next().is_some() {}
            let Some(state) = state.flatten() else {
                continue;
            };
            if let Some(head) = &state.ended {
                // Only open runs are remembered, for the same reason.
                known.remove(&state.run);
                let measures = &self.aggregator.measures;
                measures.run_ended(head.trigger, head.status, head.timestamp);
            } else if known.insert(state.run.clone()) {
                let follower = self.clone();
                following.spawn(async move {
                    again_after_panic("following a run", || follower.follow(&state)).await;
                });
            }
        }
    }

    async fn follow(&self, state: &RunState) {
        if let Some(time) = self.end(state).await {
            // Its producer may publish until it notices the end. What came by then is dropped as well.
            sleep(time).await;
            self.drop_jobs(&state.run).await;
        }
    }

    /// Sees the run to its end, and says for how long its producer may still publish jobs of it.
    async fn end(&self, state: &RunState) -> Option<Duration> {
        let _following = Following::begin(self.aggregator.measures.as_ref());
        let (mut refusals, mut is_away) = (0, false);
        loop {
            match self.finish(state, refusals >= MAX_REFUSALS).await {
                Ok(still_published) => return still_published,
                // A queue that is away for long is told of once.
                Err(error)
                    if error.is_of_a_queue_away() && std::mem::replace(&mut is_away, true) =>
                {
                    tracing::debug!(run_id = %state.run, %error, "still no report");
                    sleep(AFTER_FAILURE).await;
                }
                Err(error) => {
                    refusals += u32::from(matches!(error, FollowError::Report(_)));
                    tracing::error!(run_id = %state.run, %error, "no report yet: trying again");
                    sleep(AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Others wait for the end of a run, so that it is not put off for ever for its report.
    async fn finish(
        &self,
        state: &RunState,
        without_report: bool,
    ) -> Result<Option<Duration>, FollowError> {
        let stop = CancellationToken::new();
        let follow = self.aggregator.follow(&state.run, &stop);
        tokio::pin!(follow);
        let finished = tokio::select! {
            finished = &mut follow => finished,
            () = self.cancelled(&state.run) => {
                // Stopped and not dropped: what the log has by now still counts.
                stop.cancel();
                follow.await
            }
        };
        let finished = match finished {
            Err(error @ (AggregateError::NotOpened(_) | AggregateError::BeginningLost(_))) => {
                self.without_opening(&error, state)
            }
            finished => finished?,
        };
        let still_published = still_published(&finished);
        self.store(finished, without_report).await?;
        // The claim goes last: the catalog's next run may start now, and who waits for this one finds its state and its
        // report.
        self.control.close(&state.catalog, &state.run).await?;
        self.drop_jobs(&state.run).await;
        Ok(still_published)
    }

    /// Others may wait for the end of a run of which nothing is known but its claim: it ends with an empty report.
    fn without_opening(&self, error: &AggregateError, state: &RunState) -> FinishedRun {
        let ending = if self.control.is_cancelled(&state.run) {
            Ending::Interrupted
        } else {
            let cause = match error {
                AggregateError::BeginningLost(_) => {
                    "the stream of logs is full and dropped it: provision a larger one"
                }
                _ => "its producer died as it opened it",
            };
            tracing::warn!(%error, cause, "a run is abandoned, and its report is empty");
            Ending::Abandoned
        };
        FinishedRun::never_opened(state, ending, self.aggregator.clock.now())
    }

    async fn cancelled(&self, run: &RunId) {
        while !self.control.is_cancelled(run) {
            sleep(CANCEL_LOOK).await;
        }
    }

    async fn store(
        &self,
        mut finished: FinishedRun,
        without_report: bool,
    ) -> Result<(), FollowError> {
        let run = finished.head.run_id.clone();
        // A run that was complete before its cancellation was seen stays complete.
        if finished.head.status == RunStatus::Incomplete && self.control.is_cancelled(&run) {
            finished.head.status = RunStatus::Cancelled;
        }
        let mut head: ReportHead = finished.head.clone();
        match self.reports.put(finished).await {
            Ok(left_out) => head.left_out = left_out,
            // No refusal: however long the server is away, the report is stored when it is back.
            Err(error @ QueueError::Unreachable(_)) => return Err(error.into()),
            Err(error) if without_report => {
                tracing::error!(run_id = %run, %error, "the run ends without a report");
                head.left_out = Extent::Counts.left_out(&head.summary);
            }
            Err(error) => return Err(FollowError::Report(error)),
        }
        if head.status != RunStatus::Complete {
            // Nobody would see what its other jobs come to.
            self.control.cancel(&run).await?;
        }
        // Another aggregator may have done all of this too, and counts it.
        if self.states.end(&head).await? {
            self.aggregator.measures.run_reported(head.status);
        }
        Ok(())
    }

    /// Jobs that are left cost workers a look each, no more: a run that did not end complete is cancelled, and images of one
    /// that did are in place.
    async fn drop_jobs(&self, run: &RunId) {
        match self.queue.purge(run).await {
            Ok(0) => {}
            Ok(jobs) => {
                tracing::info!(run_id = %run, jobs, "dropped the jobs that were left of a run that ended");
            }
            Err(error) => {
                tracing::warn!(run_id = %run, %error, "could not drop the jobs that are left of a run that ended");
            }
        }
    }
}

/// For how long the producer of a run that ended may go on, unless its end says that it had sealed it: after that it has
/// noticed, or is dead.
fn still_published(finished: &FinishedRun) -> Option<Duration> {
    let is_complete = finished.head.status == RunStatus::Complete;
    (!is_complete).then(|| Duration::from_millis(finished.opened.silence_ms))
}

/// A run that is being followed. Dropping it ends that, however it came.
struct Following<'a>(&'a dyn Measures);

impl<'a> Following<'a> {
    fn begin(measures: &'a dyn Measures) -> Self {
        measures.run_taken_up();
        Self(measures)
    }
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        self.0.run_laid_down();
    }
}

#[cfg(test)]
mod tests;
