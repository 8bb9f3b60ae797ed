//! The role *producer*: opens a run, publishes its jobs, and seals it.
//!
//! The catalog is worked batch by batch. A batch is as many images as have their names in one chunk of the log. Its chunk
//! is stored before its jobs, so that every job that exists can be named. Jobs are made when they are published, and a
//! queue that is full makes the producer wait, so that its memory does not grow with the catalog. Where images read what others
//! write, the catalog comes in stages, and one begins when all jobs of those before it have their results.

mod order;
mod publish;
mod results;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream};
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::job_queue::JobQueue;
use image_sync_shared::ports::runs::run_control::{Opening, RunControl};
use image_sync_shared::ports::runs::run_log::RunLog;
use image_sync_shared::ports::telemetry::trace_context::{Propagator, TraceContext};
use image_sync_shared::run::job::Policy;
use image_sync_shared::run::{RunEvent, RunId, RunOpened, Trigger};
use image_sync_shared::secret::mac::{KEY_BYTES, MacKey};
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, info_span};

pub use order::Order;
use publish::Marks;

/// How often a producer tells that it is at work, unless told otherwise.
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// So many signs may be missing before a run without a seal is abandoned. A server that is away for as long as is waited for
/// must not look like a death.
const MISSING_SIGNS: u32 = 6;
/// A run to be started.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// Its identity.
    pub run_id: RunId,
    /// What sets it off.
    pub trigger: Trigger,
    /// The catalog's target, for the report.
    pub cache_registry: String,
    /// The catalog by its identity, of which no other run may be open.
    pub config_hash: String,
    /// How many images it is to have, where that is known before its jobs are.
    pub images: Option<u32>,
    /// Whether failed images leave the exit code at 0.
    pub skip_on_error: bool,
    /// How long it may take.
    pub timeout: Duration,
    /// How often its log is told that the producer is at work. Without a sign for six times as long, a run that has no
    /// seal is abandoned.
    pub sign_of_life: Duration,
    /// The rules of its jobs.
    pub policy: Policy,
}

impl RunPlan {
    /// For how long its producer gives no sign of life before it counts as dead.
    fn silence(&self) -> Duration {
        self.sign_of_life.saturating_mul(MISSING_SIGNS)
    }
}

/// How far the producer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Produced {
    /// All jobs are published.
    Sealed {
        /// How many there are.
        jobs: u32,
    },
    /// Nothing was done, as this run of the same catalog is still open.
    Skipped {
        /// The open run.
        open: RunId,
    },
    /// It was told to stop. The run has no seal; who stopped it decides whether to cancel it.
    Stopped {
        /// Jobs that are known to be published.
        jobs: u32,
    },
    /// The run was cancelled, or given up by its aggregator, before it had a seal. Its jobs are dropped.
    Cancelled,
    /// The run's deadline passed long ago, and not all jobs are published, as where the queue takes none: it ends by itself.
    Overdue,
}

/// What the producer works with.
#[derive(Clone)]
pub struct Producer {
    /// Takes the jobs.
    pub queue: Arc<dyn JobQueue>,
    /// Takes the events.
    pub log: Arc<dyn RunLog>,
    /// Opens runs. Closing the run is left to who sees its end.
    pub control: Arc<dyn RunControl>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Hands the trace of the run over to its jobs and its log.
    pub traces: Arc<dyn Propagator>,
}

impl Producer {
    /// Starts the run and publishes a job for each of `orders`, until `stop` is cancelled.
    pub async fn produce<I>(
        &self,
        plan: &RunPlan,
        orders: I,
        stop: &CancellationToken,
    ) -> Result<Produced, QueueError>
    where
        I: IntoIterator<Item: Order>,
    {
        let only_page = stream::iter([Ok(orders)]);
        self.produce_pages(plan, only_page, stop).await
    }

    /// The same for orders that come page by page, as all of them may be too many to be held.
    pub async fn produce_pages<P>(
        &self,
        plan: &RunPlan,
        pages: impl Stream<Item = Result<P, QueueError>>,
        stop: &CancellationToken,
    ) -> Result<Produced, QueueError>
    where
        P: IntoIterator<Item: Order>,
    {
        self.produce_stages(plan, [pages], stop).await
    }

    /// The same for orders that come stage by stage: the pages of one are asked for when all jobs of those before it have their results.
    pub async fn produce_stages<S, P>(
        &self,
        plan: &RunPlan,
        stages: impl IntoIterator<Item = S>,
        stop: &CancellationToken,
    ) -> Result<Produced, QueueError>
    where
        S: Stream<Item = Result<P, QueueError>>,
        P: IntoIterator<Item: Order>,
    {
        let span = info_span!("run", run_id = %plan.run_id);
        self.produce_inside_span(plan, stages, stop)
            .instrument(span)
            .await
    }

    async fn produce_inside_span<S, P>(
        &self,
        plan: &RunPlan,
        stages: impl IntoIterator<Item = S>,
        stop: &CancellationToken,
    ) -> Result<Produced, QueueError>
    where
        S: Stream<Item = Result<P, QueueError>>,
        P: IntoIterator<Item: Order>,
    {
        let trace = self.traces.trace_of(&Span::current());
        let opened = opening(plan, self.clock.now(), new_key()?, trace);
        // The claim before the log: the one that does not get it leaves no trace.
        let opening = self
            .control
            .open(&plan.config_hash, &plan.run_id, opened.deadline_at)
            .await?;
        if let Opening::Busy(open) = opening {
            tracing::info!(open_run = %open, "run skipped, as one of the same catalog is open");
            return Ok(Produced::Skipped { open });
        }
        // An aggregator that is there ends the run at its deadline, and the next sign of life tells of it.
        let patience = plan.timeout.saturating_add(plan.silence());
        let published = timeout(patience, self.publish_run(plan, opened, stages, stop));
        let Ok(published) = published.await else {
            // Nothing is taken back: what takes no jobs takes nothing else, and who ends the run drops its jobs.
            return Ok(Produced::Overdue);
        };
        if let Err(_) | Ok(Produced::Cancelled) = &published {
            self.take_back(plan).await;
        }
        published
    }

    /// A run that is not published whole is not worked in part, and keeps no other one waiting.
    async fn take_back(&self, plan: &RunPlan) {
        let run = &plan.run_id;
        let taken_back = async {
            // Cancelled first, so that no worker begins what is dropped next; and the claim goes last.
            self.control.cancel(run).await?;
            let jobs = self.queue.purge(run).await?;
            self.control.close(&plan.config_hash, run).await?;
            Ok::<_, QueueError>(jobs)
        };
        match taken_back.await {
            Ok(jobs) => {
                tracing::warn!(jobs, "the run is cancelled, and its jobs are dropped");
            }
            Err(error) => {
                tracing::warn!(%error, "the run could not be cancelled: it ends as abandoned");
            }
        }
    }

    async fn publish_run<S, P>(
        &self,
        plan: &RunPlan,
        opened: RunOpened,
        stages: impl IntoIterator<Item = S>,
        stop: &CancellationToken,
    ) -> Result<Produced, QueueError>
    where
        S: Stream<Item = Result<P, QueueError>>,
        P: IntoIterator<Item: Order>,
    {
        let marks = Marks::of(&opened);
        self.append(plan, RunEvent::Open(opened)).await?;
        let (trigger, timeout_secs) = (plan.trigger.name(), plan.timeout.as_secs());
        tracing::info!(%trigger, timeout_secs, "run opened");
        let mut jobs = 0;
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                tracing::info!(jobs, "producer stopped before the run was sealed");
                return Ok(Produced::Stopped { jobs });
            }
            published = self.publish_stages(plan, &marks, stages, &mut jobs) => published?,
            cancelled = self.tell_of_life(plan) => {
                cancelled?;
                return Ok(Produced::Cancelled);
            }
        }
        // Whoever cancels it from here on finds all of its jobs.
        if self.control.was_cancelled(&plan.run_id).await? {
            return Ok(Produced::Cancelled);
        }
        self.append(plan, RunEvent::Seal { expected: jobs }).await?;
        tracing::info!(jobs, "run sealed");
        Ok(Produced::Sealed { jobs })
    }

    /// Goes on until the run is cancelled, or until that fails.
    async fn tell_of_life(&self, plan: &RunPlan) -> Result<(), QueueError> {
        loop {
            sleep(plan.sign_of_life).await;
            if self.control.was_cancelled(&plan.run_id).await? {
                return Ok(());
            }
            let at = self.clock.now();
            self.append(plan, RunEvent::Alive { at }).await?;
        }
    }

    async fn append(&self, plan: &RunPlan, event: RunEvent) -> Result<(), QueueError> {
        self.log.append(&plan.run_id, &event).await
    }
}

fn new_key() -> Result<MacKey, QueueError> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        QueueError::Refused(format!(
            "no key for the run, as the system gives no random bytes: {error}"
        ))
    })?;
    Ok(MacKey::new(bytes))
}

fn opening(
    plan: &RunPlan,
    started_at: OffsetDateTime,
    key: MacKey,
    trace: TraceContext,
) -> RunOpened {
    let timeout = time::Duration::try_from(plan.timeout).unwrap_or(time::Duration::MAX);
    RunOpened {
        started_at,
        deadline_at: started_at.saturating_add(timeout),
        trigger: plan.trigger,
        cache_registry: plan.cache_registry.clone(),
        config_hash: plan.config_hash.clone(),
        images: plan.images,
        skip_on_error: plan.skip_on_error,
        dry_run: plan.policy.dry_run,
        silence_ms: u64::try_from(plan.silence().as_millis()).unwrap_or(u64::MAX),
        key: Some(key),
        trace,
    }
}

#[cfg(test)]
mod tests;
