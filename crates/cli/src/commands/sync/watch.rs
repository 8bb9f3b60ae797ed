//! `sync --every` and `sync --watch`: runs again and again, with `--watch` beside events of registries, in one process.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;
use image_sync_catalog::config_file::Sources;
use image_sync_queue::Ports;
use image_sync_queue::in_process::{InProcess, InProcessSettings};
use image_sync_registry::Router;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::creation_times::CreationTimes;
use image_sync_shared::ports::telemetry::progress::Silent;
use image_sync_shared::ports::transfer::registries::Registries;
use image_sync_shared::run::RunId;
use image_sync_shared::run::Trigger;
use image_sync_webhook::receive::EventMeasures;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Named, SyncArgs, load};
use crate::commands::roles::producer::repeat;
use crate::commands::roles::webhook::HookArgs;
use crate::options::{CommonArgs, RunTrigger};
use crate::output::Outputs;
use crate::process::clock::{SteadyClock, SystemClock};
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::run::events::Events;
use crate::run::events::current_catalog::CurrentCatalog;
use crate::run::pipeline::{RunOptions, worker_settings};
use crate::run::published::{self, Published};
use crate::run::runtime;
use crate::run::setup::{self, Loaded};
use crate::run::state::State;
use crate::run::watch::{Watch, Written};
use crate::run::wiring::{self, Outside};
use crate::server::HttpServer;
use crate::telemetry::metrics::Hosts;
use crate::terminal::progress::Screen;
use crate::terminal::units;

/// How often all images are checked, unless told otherwise.
const EVERY: Duration = Duration::from_secs(3600);

/// Options of a `sync` that goes on.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WatchArgs {
    /// Go on until SIGTERM: check all images again and again, and take events of registries at --listen
    #[arg(long, conflicts_with_all = ["dry_run", "check", "only_failed"])]
    watch: bool,
    /// Go on until SIGTERM: check all images now and then so often, as in 30m [default with --watch: 1h]; the config is read again when it changes
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, conflicts_with_all = ["dry_run", "check", "only_failed"])]
    every: Option<Duration>,
    #[command(flatten)]
    hooks: HookArgs,
}

impl WatchArgs {
    /// Whether there is more than one run.
    pub(super) fn goes_on(&self) -> bool {
        self.watch || self.every.is_some()
    }

    /// What asks for that.
    fn option(&self) -> &'static str {
        if self.watch { "--watch" } else { "--every" }
    }
}

/// Runs `sync --every` or `sync --watch`.
pub(super) fn run(
    common: &CommonArgs,
    args: &SyncArgs,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    let dialect = args.dialect.options(environment);
    let mut loaded = load(Named::new(common, &dialect), args, environment)?;
    args.work.set_concurrency(&mut loaded.config);
    loaded.again(args.watch.option())?;
    let again = {
        let (common, args, environment) = (common.clone(), args.clone(), environment.clone());
        move || load_again(&common, &args, &environment)
    };
    let _lock = match args.lock(&loaded.config, &loaded.images, environment) {
        Ok(lock) => lock,
        Err(exit) => return Ok(exit),
    };
    go_on(loaded, again, args, environment, screen)
}

/// Runs again and again, of the config as `again` reads it, until a signal comes.
fn go_on<L>(
    loaded: Loaded,
    again: L,
    args: &SyncArgs,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem>
where
    L: Fn() -> Result<Loaded, Problem> + Clone + Send + 'static,
{
    let work = &args.work;
    let outputs = Outputs::of_process(&work.output, work.table, environment, screen)?;
    let mut server = HttpServer::listen(&work.listen)?;
    let measures = server.of_work(|| Hosts::of(&loaded.config, loaded.images.samples()));
    let of_runs = server.of_runs();
    let of_events = args.watch.watch.then(|| {
        let senders = args.watch.hooks.senders(&loaded.config.webhooks);
        server.of_events(senders.into_iter())
    });
    let router = setup::measured_registries(&loaded.config, environment, Arc::clone(&measures))?;
    let router = Arc::new(router);
    let state = State::open(&work.state, environment);
    runtime::run(work.grace(), |stop| async move {
        let serving = server.serve(&stop)?;
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::of(&SystemClock));
        let queue = InProcess::new(InProcessSettings::default(), Arc::clone(&clock));
        let ports = queue.ports().clone();
        let guards = || {
            let hooks = &args.watch.hooks;
            hooks.guards(&loaded.config, &work.listen, &clock)
        };
        let guards = of_events.is_some().then(guards).transpose()?;
        let outside = Outside {
            registries: Arc::<Router>::clone(&router),
            memo: Arc::clone(&state.memo),
            progress: Arc::new(Silent),
            measures,
            clock,
        };
        let options = RunOptions {
            trigger: work.trigger.or(RunTrigger::Schedule),
            dry_run: false,
            grace: work.grace(),
        };
        let settings = worker_settings(&loaded.config, options);
        let reports = Arc::new(Written::new(outputs));
        let watch = Watch::new(queue, settings, outside, &of_runs, reports);
        let rounds = Rounds {
            catalog: Arc::new(CurrentCatalog::new(loaded)),
            registries: Arc::<Router>::clone(&router),
            creation_times: state.creation_times,
            queue: ports,
            trigger: options.trigger,
        };
        let events = of_events.zip(guards).map(|(of_events, guards)| {
            let events = rounds.events(of_events);
            serving.hears(events.hooks(guards));
            events
        });
        serving.ready(Arc::clone(&rounds.queue.backlog));
        let every = args.watch.every.unwrap_or(EVERY);
        info!(every = %units::setting(every), "checking all images again and again");
        let publish = async {
            let all = repeat(every, &stop, || rounds.begin(&stop));
            tokio::join!(all, rounds.keep_up(events.as_ref(), again, &stop));
        };
        let ended = Box::pin(watch.run(publish, &stop)).await;
        // Uploads that were broken off are cancelled at their registries.
        router.close().await;
        ended.map(|()| Exit::Success)
    })
}

/// The config as it is by now, with the images that were asked for.
fn load_again(
    common: &CommonArgs,
    args: &SyncArgs,
    environment: &Environment,
) -> Result<Loaded, Problem> {
    let dialect = args.dialect.options(environment);
    let mut loaded = args.chosen(setup::load(Named::new(common, &dialect), environment)?)?;
    args.work.set_concurrency(&mut loaded.config);
    Ok(loaded)
}

/// What the runs of all images take.
struct Rounds {
    catalog: Arc<CurrentCatalog>,
    registries: Arc<dyn Registries>,
    creation_times: Arc<dyn CreationTimes>,
    queue: Ports,
    /// What the reports say has set the rounds off.
    trigger: Trigger,
}

impl Rounds {
    /// What takes events between two runs.
    fn events(&self, measures: Arc<dyn EventMeasures>) -> Events {
        Events::new(&self.queue, Arc::clone(&self.catalog), measures)
    }

    /// Reads the config again with `load` when it changes, and takes events if there are to be any, until `stop` is cancelled.
    async fn keep_up<L>(&self, events: Option<&Events>, load: L, stop: &CancellationToken)
    where
        L: Fn() -> Result<Loaded, Problem> + Clone + Send + 'static,
    {
        match events {
            Some(events) => events.run(load, stop).await,
            None => self.catalog.keep_current(load, stop).await,
        }
    }

    /// Publishes a run of all images, unless the last one is still open.
    async fn begin(&self, stop: &CancellationToken) -> Result<Option<RunId>, Problem> {
        let known = self.catalog.known();
        let Loaded { config, images, .. } = &known.loaded;
        let clock = &self.queue.clock;
        let plan = wiring::plan(config, images, self.trigger, false, clock.as_ref());
        let sources = Sources {
            registries: &*self.registries,
            creation_times: &*self.creation_times,
            now: clock.now(),
        };
        let stages = images.expand(sources, &config.settings);
        let stages = stages.map(|pages| pages.map(Ok));
        let producer = wiring::producer(&self.queue, clock);
        let outcome = producer.produce_stages(&plan, stages, stop).await;
        let outcome = outcome.map_err(Problem::not_carried_out)?;
        match published::settled(&*self.queue.runs, &plan.run_id, outcome).await? {
            Published::All { .. } => Ok(Some(plan.run_id)),
            Published::Busy { open } => {
                warn!(run_id = %open, "the last run is still open: skipped");
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests;
