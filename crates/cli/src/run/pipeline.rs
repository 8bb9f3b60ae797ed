//! The roles of one run, wired in one process: producer, worker and aggregator meet at the ports of a queue alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use image_sync_aggregator::aggregate::{Aggregator, FinishedRun};
use image_sync_aggregator::janitor::Janitor;
use image_sync_catalog::config_file::{Images, Sources};
use image_sync_producer::produce::{Produced, Producer, RunPlan};
use image_sync_queue::Ports as QueuePorts;
use image_sync_shared::config::{Config, Settings};
use image_sync_shared::ports::creation_times::CreationTimes;
use image_sync_shared::ports::transfer::registries::Registries;
use image_sync_shared::run::RunId;
use image_sync_shared::run::Trigger;
use image_sync_worker::{Shutdown, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;

use crate::process::exit::Problem;
use crate::run::wiring::{self, Outside};

/// What the command line says about a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunOptions {
    /// What sets it off.
    pub(crate) trigger: Trigger,
    /// Look, but write nothing.
    pub(crate) dry_run: bool,
    /// How long jobs in hand may still take once the run is told to stop.
    pub(crate) grace: Duration,
}

/// How a run ended.
pub(crate) enum Outcome {
    /// With a report.
    Reported(Box<FinishedRun>),
    /// It did not start, as this run of the same catalog is open.
    Busy(RunId),
}

/// One run and its roles.
pub(crate) struct Pipeline {
    plan: RunPlan,
    queue: QueuePorts,
    producer: Producer,
    worker: Worker,
    aggregator: Aggregator,
    janitor: Janitor,
    registries: Arc<dyn Registries>,
    creation_times: Arc<dyn CreationTimes>,
    settings: Settings,
}

impl Pipeline {
    /// A run of `images`, which are the whole catalog or a part of it.
    pub(crate) fn new(
        config: &Config,
        images: &Images,
        options: RunOptions,
        queue: QueuePorts,
        outside: Outside,
        creation_times: Arc<dyn CreationTimes>,
    ) -> Self {
        let (clock, measures) = (Arc::clone(&outside.clock), Arc::clone(&outside.measures));
        Self {
            plan: wiring::plan(
                config,
                images,
                options.trigger,
                options.dry_run,
                clock.as_ref(),
            ),
            producer: wiring::producer(&queue, &clock),
            aggregator: wiring::aggregator(&queue, &clock, &measures),
            janitor: wiring::janitor(&queue, &clock, &measures),
            registries: Arc::clone(&outside.registries),
            creation_times,
            settings: config.settings.clone(),
            worker: Worker::new(
                wiring::worker_ports(&queue, outside),
                worker_settings(config, options),
            ),
            queue,
        }
    }

    /// Carries the run out, until its end or until `stop` is cancelled and what is in hand has ended or was given back.
    pub(crate) async fn run(
        &self,
        images: &Images,
        stop: &CancellationToken,
    ) -> Result<Outcome, Problem> {
        let shutdown = Shutdown {
            // A child, as the roles stop each other with it, and who listens to `stop` must not take that for a signal.
            stop: stop.child_token(),
            abort: CancellationToken::new(),
        };
        let no_more_results = CancellationToken::new();
        let produce = async {
            let stages = images.expand(self.sources(), &self.settings);
            let stages = stages.map(|pages| pages.map(Ok));
            let produced = self
                .producer
                .produce_stages(&self.plan, stages, &shutdown.stop)
                .await;
            // Without a seal the run does not end by itself: no further job is begun, and those in hand are the last.
            if !matches!(produced, Ok(Produced::Sealed { .. })) {
                shutdown.stop.cancel();
            }
            produced
        };
        let work = async {
            let worked = self.worker.run(&shutdown).await;
            // The aggregator takes in what the log has by now, and ends.
            no_more_results.cancel();
            worked
        };
        let aggregate = async {
            let run_id = &self.plan.run_id;
            let finished = self.aggregator.follow(run_id, &no_more_results).await;
            // What is in hand now is past the run's deadline.
            shutdown.stop.cancel();
            shutdown.abort.cancel();
            finished
        };
        let tidy = self.janitor.run(&shutdown.stop);
        // Each to its end, also after an error of another: what one of them stops is how the others learn of it.
        let (produced, worked, finished, tidied) = tokio::join!(produce, work, aggregate, tidy);
        worked.and(tidied).map_err(Problem::not_carried_out)?;
        if let Produced::Skipped { open } = produced.map_err(Problem::not_carried_out)? {
            return Ok(Outcome::Busy(open));
        }
        let finished = finished.map_err(Problem::not_carried_out)?;
        let (catalog, run_id) = (&self.plan.config_hash, &self.plan.run_id);
        let closed = self.queue.runs.close(catalog, run_id).await;
        closed.map_err(Problem::not_carried_out)?;
        Ok(Outcome::Reported(Box::new(finished)))
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            registries: &*self.registries,
            creation_times: &*self.creation_times,
            now: self.queue.clock.now(),
        }
    }
}

/// What the config and the command line say to a worker.
pub(crate) fn worker_settings(config: &Config, options: RunOptions) -> WorkerSettings {
    WorkerSettings {
        retry: config.settings.retry,
        max_pause: config.settings.max_pause,
        grace: options.grace,
        target_hosts: config.target_hosts(),
        ..WorkerSettings::new("sync", config.settings.concurrency)
    }
}

#[cfg(test)]
mod tests;
