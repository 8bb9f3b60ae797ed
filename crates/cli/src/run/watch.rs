//! All roles in one process that lasts: rounds of the whole catalog, and what events lead to beside them, over one queue.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use image_sync_aggregator::aggregate::FinishedRun;
use image_sync_aggregator::follow_runs::{ReportStore, RunFollower};
use image_sync_aggregator::janitor::Janitor;
use image_sync_queue::in_process::InProcess;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::telemetry::measures::Measures;
use image_sync_shared::run::RunId;
use image_sync_shared::run::report::LeftOut;
use image_sync_worker::{Shutdown, Worker, WorkerSettings};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::output::Outputs;
use crate::process::exit::Problem;
use crate::run::wiring::{self, Outside};

/// How many runs that ended are remembered: whoever follows runs has heard of them by the time they are forgotten.
const REMEMBERED: usize = 100;
/// How long one look for runs waits.
const LOOK: Duration = Duration::from_secs(5);
/// How long the reports of runs may take that were open in the end.
const LAST_REPORTS: Duration = Duration::from_secs(3);

/// The roles, but for what publishes jobs.
pub(crate) struct Watch {
    queue: InProcess,
    worker: Worker,
    follower: RunFollower,
    janitor: Janitor,
}

impl Watch {
    /// The roles over `queue`. Reports go to `reports`, and what is counted of runs to `of_runs`.
    pub(crate) fn new(
        queue: InProcess,
        settings: WorkerSettings,
        outside: Outside,
        of_runs: &Arc<dyn Measures>,
        reports: Arc<dyn ReportStore>,
    ) -> Self {
        let ports = queue.ports();
        let clock = Arc::clone(&outside.clock);
        Self {
            follower: RunFollower {
                aggregator: wiring::aggregator(ports, &clock, of_runs),
                states: Arc::clone(&ports.states),
                control: Arc::clone(&ports.runs),
                queue: Arc::clone(&ports.jobs),
                reports,
            },
            janitor: wiring::janitor(ports, &clock, of_runs),
            worker: Worker::new(wiring::worker_ports(ports, outside), settings),
            queue,
        }
    }

    /// Works what `publish` publishes, until `stop` is cancelled: then what is in hand is finished or given up, and runs that are
    /// open have their reports.
    pub(crate) async fn run(
        &self,
        publish: impl Future<Output = ()>,
        stop: &CancellationToken,
    ) -> Result<(), Problem> {
        let no_more = CancellationToken::new();
        let shutdown = Shutdown {
            stop: stop.child_token(),
            abort: CancellationToken::new(),
        };
        let work = async {
            let ((), worked) = tokio::join!(publish, self.worker.run(&shutdown));
            if let Err(error) = timeout(LAST_REPORTS, self.end_open_runs()).await {
                warn!(%error, "not all runs that were open have a report");
            }
            no_more.cancel();
            worked
        };
        let (worked, followed, tidied, ()) = tokio::join!(
            work,
            self.follower.run(&no_more),
            self.janitor.run(&no_more),
            self.forget_ended(&no_more),
        );
        let ended = worked.and(followed).and(tidied);
        ended.map_err(Problem::not_carried_out)
    }

    /// Cancels the runs that are open, and returns when they ended.
    async fn end_open_runs(&self) {
        let ports = self.queue.ports();
        let Ok(mut states) = ports.states.follow().await else {
            return;
        };
        let mut open = Vec::new();
        while let Ok(Some(state)) = states.next(Duration::ZERO).await {
            if state.ended.is_none() {
                ports.runs.cancel(&state.run).await.ok();
                open.push(state.run);
            }
        }
        while !open.is_empty() {
            if let Ok(Some(state)) = states.next(LOOK).await
                && state.ended.is_some()
            {
                open.retain(|run| *run != state.run);
            }
        }
    }

    /// Keeps memory from growing with every run.
    async fn forget_ended(&self, stop: &CancellationToken) {
        let Ok(mut states) = self.queue.ports().states.follow().await else {
            return;
        };
        let mut ended: VecDeque<RunId> = VecDeque::new();
        while let Some(state) = stop.run_until_cancelled(states.next(LOOK)).await {
            let Ok(Some(state)) = state else { continue };
            // One that ended before its opening was read is told of twice.
            if state.ended.is_some() && !ended.contains(&state.run) {
                ended.push_back(state.run);
            }
            while ended.len() > REMEMBERED {
                if let Some(run) = ended.pop_front() {
                    self.queue.forget(&run);
                }
            }
        }
    }
}

/// Writes each report where those of a run go.
pub(crate) struct Written(Arc<Mutex<Outputs>>);

impl Written {
    pub(crate) fn new(outputs: Outputs) -> Self {
        Self(Arc::new(Mutex::new(outputs)))
    }
}

#[async_trait]
impl ReportStore for Written {
    async fn put(&self, mut finished: FinishedRun) -> Result<Option<LeftOut>, QueueError> {
        let outputs = Arc::clone(&self.0);
        let written = spawn_blocking(move || lock(&outputs).write(&mut finished)).await;
        let refused = |why: String| QueueError::Refused(why);
        written
            .map_err(|panic| refused(panic.to_string()))?
            .map_err(|problem| refused(problem.to_string()))?;
        Ok(None)
    }
}
