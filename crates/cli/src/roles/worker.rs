//! `worker`: takes jobs and works them until it is told to stop.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use image_sync_queue::jetstream::{JetStream, Role};
use image_sync_registry::Router;
use image_sync_shared::config::Config;
use image_sync_shared::ports::measures::Unmeasured;
use image_sync_shared::ports::progress::Silent;
use image_sync_worker::{Shutdown, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::connection::ConnectionArgs;
use super::runtime;
use crate::args::{CommonArgs, at_least_one};
use crate::clock::SystemClock;
use crate::environment::Environment;
use crate::exit::{Exit, Problem};
use crate::setup;
use crate::wiring::{self, Outside};

/// Options of `worker`.
#[derive(Args, Clone, Debug)]
pub(crate) struct WorkerArgs {
    /// Jobs worked at the same time, instead of `settings.concurrency`
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    slots: Option<NonZeroUsize>,
    /// What results and leases call it; no two workers have one name [default: worker-PID]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// After SIGINT or SIGTERM, how long jobs in hand may take to be finished, as in 45s or 2m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "30s")]
    grace: Duration,
    /// The time between two signs of life for a job in hand: a third of `provision --visibility` or less
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "15s")]
    heartbeat: Duration,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl WorkerArgs {
    fn settings(&self, config: &Config) -> WorkerSettings {
        let slots = self
            .slots
            .map_or(config.settings.concurrency, NonZeroUsize::get);
        let name = self.name.clone();
        let name = name.unwrap_or_else(|| format!("worker-{}", std::process::id()));
        WorkerSettings {
            // One slot is kept for what is asked for by hand, unless it is the only one.
            reserved_for_now: usize::from(slots > 1),
            retry: config.settings.retry,
            grace: self.grace,
            heartbeat: self.heartbeat,
            // A lease that is not renewed any more ends after about three of them.
            busy_wait: self.heartbeat,
            ..WorkerSettings::new(name, slots)
        }
    }
}

/// Runs `worker`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &WorkerArgs,
    environment: &Environment,
) -> Result<Exit, Problem> {
    let config = setup::load(common.config.as_deref(), environment)?.config;
    let router = Arc::new(setup::registries(&config, environment)?);
    let settings = args.settings(&config);
    runtime::run(args.grace, |stop| async move {
        let queue = args.connection.open(environment, Role::Worker).await?;
        info!(
            worker = settings.name,
            slots = settings.slots,
            "worker started"
        );
        let ports = wiring::worker_ports(queue.ports(), outside(&queue, &router));
        let worker = Worker::new(ports, settings);
        let shutdown = Shutdown {
            stop,
            abort: CancellationToken::new(),
        };
        let ended = worker.run(&shutdown).await;
        // Uploads that were broken off are cancelled at their registries.
        router.close().await;
        let closed = queue.close().await;
        ended.and(closed).map_err(Problem::not_carried_out)?;
        Ok(Exit::Success)
    })
}

fn outside(queue: &JetStream, router: &Arc<Router>) -> Outside {
    Outside {
        registries: router.clone(),
        memo: Arc::clone(queue.memo()),
        progress: Arc::new(Silent),
        measures: Arc::new(Unmeasured),
        clock: Arc::new(SystemClock),
    }
}
