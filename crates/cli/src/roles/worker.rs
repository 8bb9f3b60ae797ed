//! `worker`: takes jobs and works them until it is told to stop.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, value_parser};
use image_sync_queue::jetstream::{DEFAULT_MAX_DELIVER, JetStream, Role, Timing};
use image_sync_registry::Router;
use image_sync_shared::config::Config;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::measures::Measures;
use image_sync_shared::ports::progress::Silent;
use image_sync_worker::{Shutdown, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::connection::{ConnectionArgs, MAX_DELIVER};
use super::runtime;
use crate::args::{CommonArgs, LISTEN, at_least_one};
use crate::clock::SystemClock;
use crate::environment::Environment;
use crate::exit::{Exit, Problem};
use crate::metrics::Hosts;
use crate::server::{self, Address, HttpServer};
use crate::setup::{self, Loaded};
use crate::units;
use crate::wiring::{self, Outside};

/// Options of `worker`.
#[derive(Args, Clone, Debug)]
pub(crate) struct WorkerArgs {
    /// Jobs worked at the same time, instead of `settings.concurrency`
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    slots: Option<NonZeroUsize>,
    /// What results and leases call it; no two workers have one name [default: HOST-PID]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// After SIGINT or SIGTERM, how long jobs in hand may take to be finished, as in 45s or 2m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "25s")]
    grace: Duration,
    /// The time between two signs of life for a job in hand and the lease of its target [default: a third of the
    /// shorter one of `provision --visibility` and `--lease-term`, and no longer than that]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    heartbeat: Option<Duration>,
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), default_value_t = DEFAULT_MAX_DELIVER, help = MAX_DELIVER)]
    max_deliver: u64,
    #[arg(long, value_name = "HOST:PORT", value_parser = server::address, help = LISTEN)]
    listen: Option<Address>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl WorkerArgs {
    fn settings(&self, config: &Config, timing: Timing) -> Result<WorkerSettings, Problem> {
        let slots = self
            .slots
            .map_or(config.settings.concurrency, NonZeroUsize::get);
        let name = self.name.clone();
        let name = name.unwrap_or_else(own_name);
        let heartbeat = heartbeat(self.heartbeat, timing).map_err(Problem::usage)?;
        Ok(WorkerSettings {
            // One slot is kept for what is asked for by hand, unless it is the only one.
            reserved_for_now: usize::from(slots > 1),
            retry: config.settings.retry,
            grace: self.grace,
            heartbeat,
            // A lease that is not renewed any more ends after about three of them.
            busy_wait: heartbeat,
            ..WorkerSettings::new(name, slots)
        })
    }
}

/// A name that no other process has, on any machine: in containers, process ids are mostly 1.
fn own_name() -> String {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    format!("{host}-{}", std::process::id())
}

/// Three signs of life within the shorter time, so that one may be lost and one be late.
fn heartbeat(asked: Option<Duration>, timing: Timing) -> Result<Duration, String> {
    let longest = timing.visibility.min(timing.lease_term) / 3;
    match asked {
        None => Ok(longest),
        Some(asked) if !asked.is_zero() && asked <= longest => Ok(asked),
        Some(asked) => Err(format!(
            "--heartbeat is {}, expected more than 0s and at most {}: a third of the shorter one of the provisioned \
             visibility time ({}) and lease term ({})",
            units::setting(asked),
            units::setting(longest),
            units::setting(timing.visibility),
            units::setting(timing.lease_term),
        )),
    }
}

/// Runs `worker`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &WorkerArgs,
    environment: &Environment,
) -> Result<Exit, Problem> {
    let Loaded { config, images, .. } = setup::load(common.config.as_deref(), environment)?;
    let mut server = HttpServer::listen(args.listen.as_ref())?;
    let measures = server.of_work(|| Hosts::of(&config, images.iter()));
    let router = setup::measured_registries(&config, environment, Arc::clone(&measures))?;
    let router = Arc::new(router);
    runtime::run(args.grace, |stop| async move {
        let serving = server.serve(&stop)?;
        let opening = args
            .connection
            .open_to_take(environment, Role::Worker, args.max_deliver);
        let queue = opening.await?;
        let timing = queue.timing().await.map_err(Problem::not_carried_out)?;
        let settings = args.settings(&config, timing)?;
        serving.ready(Arc::new(queue.backlog()));
        info!(
            worker = settings.name,
            slots = settings.slots,
            "worker started"
        );
        let ports = wiring::worker_ports(queue.ports(), outside(&queue, &router, measures));
        let worker = Worker::new(ports, settings);
        let shutdown = Shutdown {
            stop,
            abort: CancellationToken::new(),
        };
        let ended = worker.run(&shutdown).await;
        let was_told_to = shutdown.stop.is_cancelled();
        // Uploads that were broken off are cancelled at their registries.
        router.close().await;
        let closed = queue.close().await;
        ended.and(closed).map_err(Problem::not_carried_out)?;
        if was_told_to {
            Ok(Exit::Success)
        } else {
            Err(Problem::not_carried_out(QueueError::Closed))
        }
    })
}

fn outside(queue: &JetStream, router: &Arc<Router>, measures: Arc<dyn Measures>) -> Outside {
    Outside {
        registries: router.clone(),
        memo: Arc::clone(queue.memo()),
        progress: Arc::new(Silent),
        measures,
        clock: Arc::new(SystemClock),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing {
        visibility: Duration::from_secs(60),
        lease_term: Duration::from_secs(45),
    };

    #[test]
    fn a_sign_of_life_comes_three_times_in_the_shorter_time() {
        assert_eq!(heartbeat(None, TIMING), Ok(Duration::from_secs(15)));
        let short = Timing {
            visibility: Duration::from_secs(3),
            ..TIMING
        };
        assert_eq!(heartbeat(None, short), Ok(Duration::from_secs(1)));
        let asked = Some(Duration::from_millis(500));
        assert_eq!(heartbeat(asked, short), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn signs_of_life_that_come_too_late_or_without_end_are_refused() {
        for asked in [Duration::ZERO, Duration::from_secs(16)] {
            let refused = heartbeat(Some(asked), TIMING).unwrap_err();
            assert!(refused.contains("at most 15s"), "{refused}");
            assert!(refused.contains("lease term (45s)"), "{refused}");
        }
    }
}
