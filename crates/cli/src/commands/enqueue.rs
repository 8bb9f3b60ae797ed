//! `enqueue`: puts images ahead of the bulk, as a run by themselves.

use clap::Args;
use image_sync_catalog::selection::by_name;
use image_sync_producer::run_id::registries;
use image_sync_queue::Ports;
use image_sync_shared::config::{Config, ImageSpec};
use image_sync_shared::image::platform::Platforms;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::options::{CommonArgs, FormatArgs, OutputArgs, TableArgs};
use crate::output::Outputs;
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::run::connection::ConnectionArgs;
use crate::run::published;
use crate::run::runtime;
use crate::run::setup::{self, Loaded, Named};
use crate::run::waiting;
use crate::run::wiring;
use crate::terminal::progress::Screen;

pub(crate) const HELP: &str = "\
Examples:
  image-sync enqueue -c config.yaml nginx:1.27 ghcr.io/project-zot/zot:v2
  image-sync enqueue -c config.yaml nginx:1.27 --wait > report.json
  image-sync enqueue -c config.yaml alpine:3 --target localhost:5000/alpine

An open run of the catalog does not keep it from starting. Exit codes are those of `sync`; without
--wait, 0 says that all jobs are published, and the run's id is in the log.";

/// Options of `enqueue`.
#[derive(Args, Clone, Debug)]
pub(crate) struct EnqueueArgs {
    /// An image of the config, as nginx:1.27 or docker.io/library/nginx:1.27; without a tag, all that it has of this
    /// source
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
    #[command(flatten)]
    dialect: FormatArgs,
    /// Where to copy one image that need not be in the config, as localhost:5000/nginx or localhost:5000/nginx:1.27; outside
    /// of their `cache_registry`, workers need --allow-target for it
    #[arg(long, value_name = "REFERENCE")]
    target: Option<String>,
    /// Platforms of an image with --target: all, linux/arm64, or several with commas [default: as in the config]
    #[arg(long, value_name = "PLATFORM", requires = "target")]
    platform: Option<Platforms>,
    /// Wait for the end of the run, write its report and exit with its code
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    table: TableArgs,
    /// Say what would be copied, and copy nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl EnqueueArgs {
    /// Whether the run is shown until its end.
    pub(crate) fn shows_its_run(&self) -> bool {
        self.wait && !self.table.quiet
    }
}

/// Runs `enqueue`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &EnqueueArgs,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    let loaded = setup::load(
        Named::new(common, &args.dialect.options(environment)),
        environment,
    )?;
    let images = chosen(args, &loaded).map_err(Problem::usage)?;
    let config = loaded.config;
    let outputs = Outputs::of_process(&args.output, args.table, environment, screen)?;
    let (config, images) = (&config, &images);
    runtime::run(runtime::GRACE, |stop| async move {
        let queue = args.connection.producer(environment).await?;
        let ended = enqueue(args, config, images, queue.ports(), outputs, &stop).await;
        queue.ended(ended).await
    })
}

pub(super) fn chosen(
    args: &EnqueueArgs,
    loaded: &Loaded,
) -> Result<Vec<ImageSpec>, by_name::NameError> {
    let Some(target) = &args.target else {
        let file = loaded.file.display().to_string();
        return by_name::choose(&loaded.images, &file, &args.images);
    };
    let (defaults, platforms) = (&loaded.config.defaults, args.platform.clone());
    let image = by_name::for_this_target(defaults, &args.images, target, platforms)?;
    Ok(vec![image])
}

/// Publishes the images as a run of their own, and waits for its report if that is asked for.
pub(super) async fn enqueue(
    args: &EnqueueArgs,
    config: &Config,
    images: &[ImageSpec],
    queue: &Ports,
    outputs: Outputs,
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    let clock = &queue.clock;
    let mut plan = wiring::plan_by_itself(config, images.len(), args.dry_run, clock.as_ref());
    if args.target.is_some() {
        plan.cache_registry = registries(images.iter().map(|image| &image.target));
    }
    let checked = queue.log.check_room(images.len()).await;
    checked.map_err(Problem::not_carried_out)?;
    let producer = wiring::producer(queue, clock);
    let outcome = producer.produce(&plan, images, stop).await;
    let outcome = outcome.map_err(Problem::not_carried_out)?;
    let jobs = published::all(&*queue.runs, &plan.run_id, outcome).await?;
    info!(run_id = %plan.run_id, images = jobs, "enqueued");
    if !args.wait {
        return Ok(Exit::Success);
    }
    let skip_on_error = config.settings.skip_on_error;
    waiting::report_of(queue, &plan.run_id, skip_on_error, outputs, stop).await
}
