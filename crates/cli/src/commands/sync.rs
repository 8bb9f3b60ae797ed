//! `sync`: a whole run in one process, over the in-process queue.

pub(crate) mod aliyun;
pub(crate) mod copy;
pub(crate) mod kyma;
mod watch;

use clap::{Args, ValueEnum};
use std::env::current_dir;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use image_sync_aggregator::aggregate::{Ending, FinishedRun};
use image_sync_catalog::config_file::Images;
use image_sync_catalog::identity::config_hash;
use image_sync_queue::in_process::{InProcess, InProcessSettings};
use image_sync_registry::{Archive, Router};
use image_sync_shared::config::Config;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::telemetry::measures::Measures;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::options::{
    CommonArgs, DialectArgs, OutputArgs, RunTrigger, TableArgs, TriggerArgs, at_least_one,
};
use crate::output::Outputs;
use crate::output::copied_images::CopiedImages;
use crate::process::clock::{SteadyClock, SystemClock};
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::process::shutdown::Signals;
use crate::run::choice::ChoiceArgs;
use crate::run::pipeline::{Outcome, Pipeline, RunOptions};
use crate::run::setup::{self, Loaded, Named};
use crate::run::state::catalog_lock::{self, CatalogLock};
use crate::run::state::{State, StateArgs};
use crate::run::wiring::Outside;
use crate::server::{HttpServer, ListenArgs, Serving};
use crate::telemetry::metrics::Hosts;
use crate::terminal::progress::Screen;
use crate::terminal::units;
pub(crate) use watch::WatchArgs;

/// Options of `sync`.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SyncArgs {
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,
    #[command(flatten)]
    pub(crate) dialect: DialectArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    /// What to do while another `sync` with this catalog and state folder is at work: skip this one, or queue behind it [default: skip]
    #[arg(long, value_name = "HOW")]
    pub(crate) overlap: Option<Overlap>,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

/// What to do while the same catalog is worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Overlap {
    Skip,
    Queue,
}

impl SyncArgs {
    /// A config with those of its images that were asked for.
    fn chosen(&self, mut loaded: Loaded) -> Result<Loaded, Problem> {
        loaded.images = self.choice.choose(&loaded.file, loaded.images)?;
        Ok(loaded)
    }

    /// Sees to it that no other process works these images, as far as that can be known. Who only looks disturbs nobody.
    fn lock(
        &self,
        config: &Config,
        images: &Images,
        environment: &Environment,
    ) -> Result<Option<CatalogLock>, Exit> {
        let folder = self.work.state.folder(environment);
        let Some(folder) = folder.filter(|_| !self.work.is_dry_run()) else {
            return Ok(None);
        };
        let waits = self.overlap == Some(Overlap::Queue);
        let here = current_dir().unwrap_or_default();
        let catalog = catalog_lock::name(&config_hash(images), config.targets(), &here);
        match CatalogLock::take(&folder, &catalog, waits) {
            Ok(Some(lock)) => Ok(Some(lock)),
            Ok(None) => {
                warn!(
                    "skipped, as another `sync` of the same catalog is at work; --overlap queue waits for its end"
                );
                Err(Exit::Busy)
            }
            Err(error) => {
                debug!(folder = %folder.display(), %error, "another `sync` of this catalog would not be noticed");
                Ok(None)
            }
        }
    }
}

/// Options of commands that work images themselves.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WorkArgs {
    /// Say what would be copied, and copy nothing: only GET and HEAD requests are sent
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// As --dry-run, and exit code 4 if something would be copied
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Images worked at the same time, instead of `settings.concurrency`
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) concurrency: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) trigger: TriggerArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// After SIGINT or SIGTERM, how long images in hand may take to be finished, as in 45s or 2m [default: 25s]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) grace: Option<Duration>,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
}

impl WorkArgs {
    /// Says in a config how many images are worked at the same time, if the command line says so.
    fn set_concurrency(&self, config: &mut Config) {
        if let Some(concurrency) = self.concurrency {
            config.settings.concurrency = concurrency.get();
        }
    }

    /// Whether nothing is to be written.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run || self.check
    }

    /// The grace time.
    pub(crate) fn grace(&self) -> Duration {
        self.grace.unwrap_or(Duration::from_secs(25))
    }
}

/// Runs `sync`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &SyncArgs,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    if args.watch.goes_on() {
        return watch::run(common, args, environment, screen);
    }
    let dialect = args.dialect.options(environment);
    let Loaded { config, images, .. } = load(Named::new(common, &dialect), args, environment)?;
    let _lock = match args.lock(&config, &images, environment) {
        Ok(lock) => lock,
        Err(exit) => return Ok(exit),
    };
    work(config, &images, &args.work, environment, screen)
}

/// The same of this config.
fn run_with(
    named: Named<'_>,
    args: &SyncArgs,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    let Loaded { config, images, .. } = load(named, args, environment)?;
    work(config, &images, &args.work, environment, screen)
}

/// A config that is read for the first time, with the images that were asked for.
fn load(named: Named<'_>, args: &SyncArgs, environment: &Environment) -> Result<Loaded, Problem> {
    let loaded = setup::load(named, environment)?;
    // Before the choice: an image that is left out uses its registry all the same.
    setup::warn_of_unused_registries(&loaded);
    args.chosen(loaded)
}

/// Works these images in this process, and writes the report.
fn work(
    config: Config,
    images: &Images,
    args: &WorkArgs,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    work_with(config, images, args, Beside::default(), environment, screen)
}

/// What some commands have to do with a run beside what `sync` has.
#[derive(Default)]
pub(crate) struct Beside {
    /// Where it is written what was copied.
    pub(crate) copied: Option<CopiedImages>,
    /// The archive that is written or read.
    pub(crate) archive: Option<Archive>,
    /// What is remembered, in the place of the state folder.
    pub(crate) state: Option<State>,
}

/// The same, with what is beside it.
pub(crate) fn work_with(
    mut config: Config,
    images: &Images,
    args: &WorkArgs,
    beside: Beside,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    let outputs = Outputs::of_process(&args.output, args.table, environment, screen)?;
    args.set_concurrency(&mut config);
    let mut server = HttpServer::listen(&args.listen)?;
    let measures = server.of_work(|| Hosts::of(&config, images.samples()));
    let registries = setup::Outside {
        environment,
        measures: Arc::clone(&measures),
        archive: beside.archive,
    };
    let router = setup::registries_with(&config, registries)?;
    let state = beside.state;
    let sync = Sync {
        config: &config,
        images,
        options: RunOptions {
            trigger: args.trigger.or(RunTrigger::Manual),
            dry_run: args.is_dry_run(),
            grace: args.grace(),
        },
        router: Arc::new(router),
        measures,
        check: args.check,
        state: state.unwrap_or_else(|| State::open(&args.state, environment)),
        outputs: outputs.with_copied(beside.copied),
        screen,
    };
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Problem::not_carried_out)?;
    let ended = runtime.block_on(sync.run_until_second_signal(server));
    // A second signal dropped the run, and its display still stands there.
    screen.end();
    // After a second signal, nobody waits for what is still under way.
    runtime.shutdown_background();
    ended
}

/// All that a run was told.
struct Sync<'a> {
    config: &'a Config,
    images: &'a Images,
    options: RunOptions,
    /// Whether the exit code says that something would be copied.
    check: bool,
    router: Arc<Router>,
    measures: Arc<dyn Measures>,
    state: State,
    outputs: Outputs,
    screen: &'a Screen,
}

impl Sync<'_> {
    async fn run_until_second_signal(self, server: HttpServer) -> Result<Exit, Problem> {
        let signals = Signals::listen().map_err(Problem::not_carried_out)?;
        let (stop, grace) = (CancellationToken::new(), self.options.grace);
        let serving = server.serve(&stop)?;
        tokio::select! {
            ended_by = signals.watch(stop.clone(), grace, Some(self.screen)) => Ok(ended_by),
            ended = self.run(&stop, &serving) => ended,
        }
    }

    async fn run(self, stop: &CancellationToken, serving: &Serving) -> Result<Exit, Problem> {
        let outcome = self.pipeline(serving).run(self.images, stop).await;
        // Uploads that were broken off are cancelled at their registries.
        self.router.close().await;
        // Before the report, which may go to the same terminal.
        self.screen.end();
        let finished = match outcome? {
            Outcome::Reported(finished) => finished,
            Outcome::Busy(open) => {
                warn!(run_id = %open, "skipped, as this run of the same catalog is open");
                return Ok(Exit::Busy);
            }
        };
        if finished.ending == Ending::DeadlinePassed {
            let limit = units::setting(self.config.settings.run_timeout);
            error!("the run was given up at its deadline: settings.run_timeout is {limit}");
        }
        let skip_on_error = self.config.settings.skip_on_error;
        let exit = Exit::of_report(&finished.head, skip_on_error);
        let asks = self.check && exit == Exit::Success;
        let would_copy = write(self.outputs, finished, asks).await?;
        Ok(if would_copy { Exit::WouldCopy } else { exit })
    }

    fn pipeline(&self, serving: &Serving) -> Pipeline {
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::of(&SystemClock));
        let queue = InProcess::new(InProcessSettings::default(), Arc::clone(&clock));
        let stall = self.config.settings.stall_timeout;
        let progress = self.screen.begin(stall, Arc::clone(&clock));
        // With rules, how many images there are is known only when all tags are listed.
        if !self.images.has_rules() {
            progress.run_sized(u32::try_from(self.images.len()).unwrap_or(u32::MAX));
        }
        let outside = Outside {
            registries: self.router.clone(),
            memo: Arc::clone(&self.state.memo),
            progress,
            measures: Arc::clone(&self.measures),
            clock,
        };
        let ports = queue.ports().clone();
        serving.ready(Arc::clone(&ports.backlog));
        let creation_times = Arc::clone(&self.state.creation_times);
        Pipeline::new(
            self.config,
            self.images,
            self.options,
            ports,
            outside,
            creation_times,
        )
    }
}

/// Writes the report, and finds out whether it says that something would be copied, if that is asked.
async fn write(
    outputs: Outputs,
    mut finished: Box<FinishedRun>,
    asks: bool,
) -> Result<bool, Problem> {
    let write = move || {
        outputs.write(&mut finished)?;
        let would_copy = asks.then(|| would_copy(&mut finished)).transpose();
        let would_copy = would_copy.map_err(Problem::not_carried_out)?;
        Ok(would_copy.unwrap_or(false))
    };
    // A stdout that takes nothing must not keep a second signal from ending the program.
    spawn_blocking(write)
        .await
        .map_err(Problem::not_carried_out)?
}

/// Also of an image that is up to date artifacts may be missing.
fn would_copy(finished: &mut FinishedRun) -> io::Result<bool> {
    for result in finished.results() {
        if result?.would_copy.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
