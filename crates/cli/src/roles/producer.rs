//! `producer`: publishes the jobs of a catalog as a run, for workers anywhere.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use image_sync_producer::catalog;
use image_sync_producer::produce::Produced;
use image_sync_queue::jetstream::{JetStream, Role};
use image_sync_shared::config::{Config, ImageSpec};
use image_sync_shared::ports::clock::Clock;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::connection::ConnectionArgs;
use super::{runtime, waiting};
use crate::args::CommonArgs;
use crate::clock::SystemClock;
use crate::environment::Environment;
use crate::exit::{Exit, Problem};
use crate::{setup, wiring};

/// The wait before a run is tried again whose catalog was busy.
const AFTER_BUSY: Duration = Duration::from_millis(500);

/// Options of `producer`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProducerArgs {
    /// Only images whose `source:tag` matches, as in '*nginx*'
    #[arg(long, value_name = "GLOB")]
    only: Option<String>,
    /// Wait for the end of the run, write its report to stdout and exit with its code
    #[arg(long)]
    wait: bool,
    /// Say what would be copied, and copy nothing
    #[arg(long)]
    dry_run: bool,
    /// What to do while a run of this catalog is open: skip this one, join the open one, or queue behind it
    #[arg(long, value_name = "HOW", default_value = "skip")]
    overlap: Overlap,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// What to do while a run of the same catalog is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Overlap {
    Skip,
    Join,
    Queue,
}

/// Runs `producer`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &ProducerArgs,
    environment: &Environment,
) -> Result<Exit, Problem> {
    let config = setup::load(common.config.as_deref(), environment)?.config;
    let images = catalog::choose(&config, args.only.as_deref()).map_err(Problem::usage)?;
    runtime::run(Duration::ZERO, |stop| async {
        let queue = args.connection.open(environment, Role::Producer).await?;
        produce(args, &config, &images, &queue, stop).await
    })
}

async fn produce(
    args: &ProducerArgs,
    config: &Config,
    images: &[&ImageSpec],
    queue: &JetStream,
    stop: CancellationToken,
) -> Result<Exit, Problem> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let producer = wiring::producer(queue.ports(), &clock);
    let run = loop {
        let plan = wiring::plan(config, images, args.dry_run, clock.as_ref());
        let outcome = producer.produce(&plan, images.iter().copied(), &stop).await;
        match (outcome.map_err(Problem::not_carried_out)?, args.overlap) {
            (Produced::Sealed { .. }, _) => break plan.run_id,
            (Produced::Stopped { jobs }, _) => {
                return Err(Problem::not_carried_out(format!(
                    "stopped after {jobs} jobs: run {} has no seal and ends as abandoned",
                    plan.run_id
                )));
            }
            (Produced::Skipped { open }, Overlap::Skip) => {
                warn!(run = %open, "skipped, as this run of the same catalog is open");
                return Ok(Exit::Busy);
            }
            (Produced::Skipped { open }, Overlap::Join) => break open,
            (Produced::Skipped { open }, Overlap::Queue) => {
                info!(run = %open, "waiting for the end of this run of the same catalog");
                waiting::end_of(queue, &open, &stop).await?;
            }
        }
        tokio::select! {
            () = sleep(AFTER_BUSY) => {}
            () = stop.cancelled() => return Ok(Exit::Busy),
        }
    };
    if !args.wait {
        return Ok(Exit::Success);
    }
    waiting::report_of(queue, &run, config.settings.skip_on_error, &stop).await
}
