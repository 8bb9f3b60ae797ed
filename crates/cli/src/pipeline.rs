//! The roles of one run, wired in one process: producer, worker and aggregator meet at the ports of a queue alone.

use std::sync::Arc;
use std::time::Duration;

use image_sync_producer::aggregate::{Aggregator, FinishedRun};
use image_sync_producer::catalog;
use image_sync_producer::janitor::Janitor;
use image_sync_producer::produce::{Produced, Producer, RunPlan};
use image_sync_queue::Ports as QueuePorts;
use image_sync_shared::config::{Config, ImageSpec};
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::measures::Measures;
use image_sync_shared::ports::memo::Memo;
use image_sync_shared::ports::progress::Progress;
use image_sync_shared::ports::registries::Registries;
use image_sync_shared::run::{RunId, Trigger};
use image_sync_worker::{Ports as WorkerPorts, Shutdown, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;

use crate::exit::Problem;
use crate::telemetry;

/// What a run reaches the outside through, beside its queue.
pub(crate) struct Outside {
    pub(crate) registries: Arc<dyn Registries>,
    pub(crate) memo: Arc<dyn Memo>,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) measures: Arc<dyn Measures>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What the command line says about a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunOptions {
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
}

impl Pipeline {
    /// A run of `images`, which are the whole catalog or a part of it.
    pub(crate) fn new(
        config: &Config,
        images: &[&ImageSpec],
        options: RunOptions,
        queue: QueuePorts,
        outside: Outside,
    ) -> Self {
        let clock = Arc::clone(&outside.clock);
        Self {
            plan: plan(config, images, options, clock.as_ref()),
            producer: Producer {
                queue: Arc::clone(&queue.jobs),
                log: Arc::clone(&queue.log),
                control: Arc::clone(&queue.runs),
                clock: Arc::clone(&clock),
                traces: telemetry::propagator(),
            },
            aggregator: Aggregator {
                log: Arc::clone(&queue.log),
                clock: Arc::clone(&clock),
                traces: telemetry::propagator(),
            },
            janitor: Janitor {
                queue: Arc::clone(&queue.jobs),
                log: Arc::clone(&queue.log),
                clock,
            },
            worker: worker(config, options, &queue, outside),
            queue,
        }
    }

    /// Carries the run out, until its end or until `stop` is cancelled and what is in hand has ended or was given back.
    pub(crate) async fn run(
        &self,
        images: &[&ImageSpec],
        stop: &CancellationToken,
    ) -> Result<Outcome, Problem> {
        let shutdown = Shutdown {
            stop: stop.child_token(),
            abort: CancellationToken::new(),
        };
        let no_more_results = CancellationToken::new();
        let produce = async {
            let images = images.iter().copied();
            let produced = self
                .producer
                .produce(&self.plan, images, &shutdown.stop)
                .await;
            if !matches!(produced, Ok(Produced::Sealed { .. })) {
                shutdown.stop.cancel();
            }
            produced
        };
        let work = async {
            let worked = self.worker.run(&shutdown).await;
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
}

fn plan(config: &Config, images: &[&ImageSpec], options: RunOptions, clock: &dyn Clock) -> RunPlan {
    let settings = &config.settings;
    RunPlan {
        run_id: catalog::new_run_id(clock.now()),
        trigger: Trigger::Cron,
        cache_registry: config.cache_registry.to_string(),
        config_hash: catalog::config_hash(images),
        skip_on_error: settings.skip_on_error,
        timeout: settings.run_timeout,
        policy: catalog::policy(settings, options.dry_run),
    }
}

fn worker(config: &Config, options: RunOptions, queue: &QueuePorts, outside: Outside) -> Worker {
    let ports = WorkerPorts {
        registries: outside.registries,
        queue: Arc::clone(&queue.jobs),
        run_log: Arc::clone(&queue.log),
        leases: Arc::clone(&queue.leases),
        pauses: Arc::clone(&queue.pauses),
        runs: Arc::clone(&queue.runs),
        memo: outside.memo,
        clock: outside.clock,
        progress: outside.progress,
        measures: outside.measures,
        traces: telemetry::propagator(),
    };
    Worker::new(ports, worker_settings(config, options))
}

fn worker_settings(config: &Config, options: RunOptions) -> WorkerSettings {
    WorkerSettings {
        retry: config.settings.retry,
        grace: options.grace,
        ..WorkerSettings::new("sync", config.settings.concurrency)
    }
}

#[cfg(test)]
mod tests;
