//! What follows from events and from what scripts ask for: runs of checks.

pub(crate) mod current_catalog;
pub(crate) mod identity_keys;

use std::sync::Arc;

use async_trait::async_trait;
use image_sync_catalog::selection::by_name;
use image_sync_producer::produce::{Order, Produced, Producer, RunPlan};
use image_sync_queue::Ports;
use image_sync_shared::config::{Config, ImageSpec};
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::{ImageName, RunId, Trigger};
use image_sync_webhook::intake::{DueCheck, Intake, Jobs};
use image_sync_webhook::receive::{EventMeasures, Receiver};
use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::process::exit::Problem;
use crate::run::setup::Loaded;
use crate::run::wiring;
use crate::server::{Guards, Hooks, NotEnqueued, Scripts};
use current_catalog::CurrentCatalog;
use identity_keys::keys_at;

/// Who may send events. Secrets are read now, so that what is wrong with them shows before anything is served. With `is_open`, who is not in
/// the config needs no proof.
pub(crate) fn guards(
    config: &Config,
    is_open: bool,
    clock: Arc<dyn Clock>,
) -> Result<Guards, Problem> {
    Guards::open(&config.webhooks, is_open, &keys_at, clock).map_err(Problem::usage)
}

/// All that takes events, but the server.
pub(crate) struct Events {
    catalog: Arc<CurrentCatalog>,
    intake: Arc<Intake>,
    runs: Arc<EventRuns>,
    receiver: Arc<Receiver>,
}

impl Events {
    /// Events of the images of `catalog`, whose checks go to this queue.
    pub(crate) fn new(
        queue: &Ports,
        catalog: Arc<CurrentCatalog>,
        measures: Arc<dyn EventMeasures>,
    ) -> Self {
        let intake = Arc::new(Intake::new(Arc::clone(&queue.clock)));
        Self {
            receiver: Arc::new(Receiver::new(
                Arc::<CurrentCatalog>::clone(&catalog),
                Arc::clone(&intake),
                measures,
                Arc::clone(&queue.clock),
            )),
            runs: Arc::new(EventRuns::new(queue, Arc::clone(&catalog))),
            intake,
            catalog,
        }
    }

    /// What the paths of events and scripts are served from.
    pub(crate) fn hooks(&self, guards: Guards) -> Arc<Hooks> {
        let scripts = Arc::<EventRuns>::clone(&self.runs);
        Arc::new(Hooks::new(guards, Arc::clone(&self.receiver), scripts))
    }

    /// Takes what senders say.
    pub(crate) fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Stores what comes, and reads the config again with `load` when it changes, until `stop` is cancelled.
    pub(crate) async fn run<L>(&self, load: L, stop: &CancellationToken)
    where
        L: Fn() -> Result<Loaded, Problem> + Clone + Send + 'static,
    {
        tokio::join!(
            self.intake.run(&*self.runs, stop),
            self.catalog.keep_current(load, stop),
        );
    }
}

/// Makes runs of checks.
struct EventRuns {
    producer: Producer,
    catalog: Arc<CurrentCatalog>,
}

impl EventRuns {
    fn new(queue: &Ports, catalog: Arc<CurrentCatalog>) -> Self {
        Self {
            producer: wiring::producer(queue, &queue.clock),
            catalog,
        }
    }

    fn plan(&self, trigger: Trigger, images: usize) -> RunPlan {
        let known = self.catalog.known();
        let clock = self.producer.clock.as_ref();
        RunPlan {
            trigger,
            ..wiring::plan_by_itself(&known.loaded.config, images, false, clock)
        }
    }

    /// All of them, or nothing.
    async fn publish<O: Order>(
        &self,
        plan: &RunPlan,
        orders: impl IntoIterator<Item = O>,
    ) -> Result<u32, QueueError> {
        let never = CancellationToken::new();
        match self.producer.produce(plan, orders, &never).await? {
            Produced::Sealed { jobs } => Ok(jobs),
            other => {
                let why = format!("run {} came to {other:?}", plan.run_id);
                Err(QueueError::Refused(why))
            }
        }
    }
}

#[async_trait]
impl Jobs for EventRuns {
    async fn store(&self, checks: &[DueCheck]) -> Result<RunId, QueueError> {
        let plan = self.plan(Trigger::Webhook, checks.len());
        self.publish(&plan, checks.iter().cloned().map(Due)).await?;
        Ok(plan.run_id)
    }
}

#[async_trait]
impl Scripts for EventRuns {
    async fn enqueue(&self, images: Vec<String>) -> Result<(RunId, u32), NotEnqueued> {
        let known = self.catalog.known();
        let chosen = spawn_blocking(move || {
            let loaded = &known.loaded;
            let file = loaded.file.display().to_string();
            by_name::choose(&loaded.images, &file, &images)
        });
        let chosen = chosen
            .await
            .map_err(|panic| NotEnqueued::Queue(panic.to_string()))?;
        let chosen: Vec<ImageSpec> =
            chosen.map_err(|error| NotEnqueued::Names(error.to_string()))?;
        let plan = self.plan(Trigger::Enqueue, chosen.len());
        let jobs = self.publish(&plan, &chosen).await;
        let jobs = jobs.map_err(|error| NotEnqueued::Queue(error.to_string()))?;
        Ok((plan.run_id, jobs))
    }
}

/// A check as an order of a job.
struct Due(DueCheck);

impl Order for Due {
    fn name(&self) -> ImageName {
        self.0.image.name()
    }

    fn job(&self, plan: &RunPlan, idx: u32, now: OffsetDateTime) -> Job {
        Job {
            not_before: self.0.not_before,
            awaited: self.0.awaited.clone(),
            ..self.0.image.job(plan, idx, now)
        }
    }
}
