//! `producer`: publishes the jobs of a catalog as a run, for workers anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;
use image_sync_catalog::config_file::Sources;
use image_sync_producer::produce::RunPlan;
use image_sync_queue::Ports;
use image_sync_shared::config::Config;
use image_sync_shared::ports::creation_times::CreationTimes;
use image_sync_shared::ports::transfer::registries::Registries;
use image_sync_shared::run::RunId;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::options::{CommonArgs, DialectArgs, OutputArgs, RunTrigger, TableArgs, TriggerArgs};
use crate::output::Outputs;
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::run::choice::ChoiceArgs;
use crate::run::connection::ConnectionArgs;
use crate::run::published::{self, Published};
use crate::run::runtime;
use crate::run::setup::{self, Loaded, Named};
use crate::run::state::{State, StateArgs};
use crate::run::waiting::{self, Awaited};
use crate::run::wiring;
use crate::terminal::progress::Screen;

/// The wait before a run is tried again whose catalog was busy.
const AFTER_BUSY: Duration = Duration::from_millis(500);
/// Rounds do not follow each other more closely.
const SHORTEST_ROUND: Duration = Duration::from_secs(1);
/// Signs of life do not follow each other more closely.
const SHORTEST_SIGN: Duration = Duration::from_millis(10);

/// Options of `producer`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProducerArgs {
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    dialect: DialectArgs,
    /// Wait for the end of the run, write its report and exit with its code
    #[arg(long)]
    wait: bool,
    /// Start a run so often, as in 1h, until SIGTERM; the config is read again for each
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, conflicts_with_all = ["wait", "report", "only_failed"])]
    every: Option<Duration>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    table: TableArgs,
    /// Say what would be copied, and copy nothing
    #[arg(long)]
    dry_run: bool,
    /// What to do while a run of this catalog is open: skip this one, join the open one, or queue behind it
    #[arg(long, value_name = "HOW", default_value = "skip")]
    overlap: Overlap,
    /// While jobs are published, how often that is told; without a sign for six times as long, the run is abandoned
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "15s")]
    sign_of_life: Duration,
    #[command(flatten)]
    trigger: TriggerArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl ProducerArgs {
    /// Whether the run is shown until its end.
    pub(crate) fn shows_its_run(&self) -> bool {
        self.wait && !self.table.quiet
    }
}

/// What a producer goes by to find out which images rules choose.
pub(in crate::commands) struct Outside {
    pub(in crate::commands) registries: Arc<dyn Registries>,
    pub(in crate::commands) creation_times: Arc<dyn CreationTimes>,
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
    screen: &Screen,
) -> Result<Exit, Problem> {
    // Also before many rounds: what is wrong with the config at the start is an error of who started it.
    let loaded = load(common, args, environment)?;
    // Where some images are chosen, the others may have to do with them.
    if args.choice == ChoiceArgs::default() {
        setup::warn_of_unused_registries(&loaded);
    }
    if args.every.is_some() {
        loaded.again("--every")?;
    }
    let outputs = Outputs::of_process(&args.output, args.table, environment, screen)?;
    runtime::run(runtime::GRACE, |stop| async move {
        let queue = args.connection.producer(environment).await?;
        let ports = queue.ports();
        if let Some(every) = args.every {
            repeat(every, &stop, async || {
                let loaded = load(common, args, environment)?;
                let outside = outside(args, &loaded, environment)?;
                start(args, &loaded, &outside, ports, &stop).await
            })
            .await;
            return Ok(Exit::Success);
        }
        let outside = outside(args, &loaded, environment)?;
        let produced = produce(args, &loaded, &outside, ports, outputs, &stop);
        queue.ended(produced.await).await
    })
}

/// Starts one run, and waits for its report if that is asked for.
pub(in crate::commands) async fn produce(
    args: &ProducerArgs,
    loaded: &Loaded,
    outside: &Outside,
    queue: &Ports,
    outputs: Outputs,
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    match start(args, loaded, outside, queue, stop).await? {
        Some(run) if args.wait => {
            let skip_on_error = loaded.config.settings.skip_on_error;
            waiting::report_of(queue, &run, skip_on_error, outputs, stop).await
        }
        Some(_) => Ok(Exit::Success),
        None => Ok(Exit::Busy),
    }
}

/// The config, with the images that were asked for.
fn load(
    common: &CommonArgs,
    args: &ProducerArgs,
    environment: &Environment,
) -> Result<Loaded, Problem> {
    let loaded = setup::load(
        Named::new(common, &args.dialect.options(environment)),
        environment,
    )?;
    let images = args.choice.choose(&loaded.file, loaded.images)?;
    Ok(Loaded { images, ..loaded })
}

/// Where tags are listed, and what was found out before. Without rules nothing is, so that the producer needs no credentials
/// and no state then.
fn outside(
    args: &ProducerArgs,
    loaded: &Loaded,
    environment: &Environment,
) -> Result<Outside, Problem> {
    let (registries, state) = if loaded.images.has_rules() {
        let registries = setup::registries(&loaded.config, environment)?;
        (registries, State::open(&args.state, environment))
    } else {
        let unneeded = Config {
            registries: BTreeMap::new(),
            ..loaded.config.clone()
        };
        let registries = setup::registries(&unneeded, &Environment::default())?;
        (registries, State::in_memory())
    };
    Ok(Outside {
        registries: Arc::new(registries),
        creation_times: state.creation_times,
    })
}

/// Starts a round now and then one whenever its time has come, until `stop` is cancelled. One whose time comes while
/// another is under way follows it at once, further ones are left out, and one that fails is none of the next one's
/// business.
pub(in crate::commands) async fn repeat(
    every: Duration,
    stop: &CancellationToken,
    round: impl AsyncFn() -> Result<Option<RunId>, Problem>,
) {
    let mut times = interval(every.max(SHORTEST_ROUND));
    times.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while stop.run_until_cancelled(times.tick()).await.is_some() {
        if let Err(problem) = round().await {
            error!("no run this time: {problem}");
        }
    }
}

/// Starts a run, or joins one. None if there is one already, and it is to be left alone.
async fn start(
    args: &ProducerArgs,
    Loaded { config, images, .. }: &Loaded,
    outside: &Outside,
    queue: &Ports,
    stop: &CancellationToken,
) -> Result<Option<RunId>, Problem> {
    let clock = &queue.clock;
    // Before the run is opened: a log that does not fit would lose its beginning, and the run its report.
    let checked = queue.log.check_room(images.len()).await;
    checked.map_err(Problem::not_carried_out)?;
    let producer = wiring::producer(queue, clock);
    let trigger = args.trigger.or(RunTrigger::Schedule);
    loop {
        let plan = RunPlan {
            sign_of_life: args.sign_of_life.max(SHORTEST_SIGN),
            ..wiring::plan(config, images, trigger, args.dry_run, clock.as_ref())
        };
        let sources = Sources {
            registries: &*outside.registries,
            creation_times: &*outside.creation_times,
            now: clock.now(),
        };
        let stages = images.expand(sources, &config.settings);
        let stages = stages.map(|pages| pages.map(Ok));
        let outcome = producer.produce_stages(&plan, stages, stop).await;
        let outcome = outcome.map_err(Problem::not_carried_out)?;
        match published::settled(&*queue.runs, &plan.run_id, outcome).await? {
            Published::All { .. } => return Ok(Some(plan.run_id)),
            Published::Busy { open } => match args.overlap {
                Overlap::Join => return Ok(Some(open)),
                Overlap::Skip => {
                    warn!(run_id = %open, "skipped, as this run of the same catalog is open");
                    return Ok(None);
                }
                Overlap::Queue => behind(queue, &open, stop).await?,
            },
        }
    }
}

/// Waits for the end of another run, or until that is overdue: then its claim may have ended without it.
async fn behind(queue: &Ports, open: &RunId, stop: &CancellationToken) -> Result<(), Problem> {
    info!(run_id = %open, "waiting for the end of this run of the same catalog");
    let ended = async {
        if let Awaited::Overdue(why) = waiting::end_of(queue, open, None, stop).await? {
            warn!(run_id = %open, "{why}, and no aggregator told of its end: its catalog is claimed until its deadline");
        }
        // The claim is given up a moment after the state says that the run ended.
        sleep(AFTER_BUSY).await;
        Ok(())
    };
    let ended = stop.run_until_cancelled(ended).await;
    ended.unwrap_or_else(|| {
        Err(Problem::not_carried_out(format!(
            "stopped while waiting for the end of run {open}: no run was started"
        )))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rounds_go_on_after_one_that_failed_and_are_not_made_up_for() {
        let (rounds, stop, begin) = (AtomicU32::new(0), CancellationToken::new(), Instant::now());
        let minute = Duration::from_secs(60);
        repeat(minute, &stop, async || {
            match rounds.fetch_add(1, Ordering::Relaxed) {
                0 => return Err(Problem::not_carried_out("no server")),
                1 => sleep(minute * 2 + minute / 2).await,
                _ => stop.cancel(),
            }
            Ok(None)
        })
        .await;
        assert_eq!(rounds.into_inner(), 3);
        assert_eq!(begin.elapsed(), minute * 3 + minute / 2);
    }
}
