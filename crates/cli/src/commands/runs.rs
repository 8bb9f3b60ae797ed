//! `runs`: looks at runs, waits for one, and cancels one.

mod choice;
mod listing;
pub(super) mod progress;
pub(crate) mod why;

use std::time::Duration;

use clap::{Args, Subcommand};
use image_sync_aggregator::image_states::Meant;
use image_sync_queue::Ports;
use image_sync_shared::ports::runs::run_log::RunFrame;
use image_sync_shared::ports::runs::run_states::RunState;
use image_sync_shared::run::RunId;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::options::{OutputArgs, TableArgs};
use crate::output::{self, Outputs};
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;
use crate::run::connection::{ConnectionArgs, ListArgs};
use crate::run::runtime;
use crate::run::waiting::{self, Awaited};
use crate::terminal::progress::Screen;
use listing::Listed;

pub(crate) const HELP: &str = "\
Examples:
  image-sync runs list
  image-sync runs show latest --output table
  image-sync runs show latest --image '*nginx*'
  image-sync runs watch 01JD3X8M5R6Q0T7V9W1Y2Z4A5B > report.json
  image-sync runs cancel 01JD3X";

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// All runs that are known, oldest first
    List(Box<ListArgs>),
    /// The report of a run; of an open one, how far it is, and which images are in hand, put back, failed or waiting
    Show(Box<ShowArgs>),
    /// Wait for the end of a run, write its report and exit with the code of `sync`
    Watch(Box<OneRunArgs>),
    /// Cancel a run: what is in hand is finished, and no other of its jobs is worked
    Cancel(Box<CancelArgs>),
}

/// Options of `runs show`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArgs {
    /// Only these images: a glob over `source:tag`, source or target, or the name of one
    #[arg(long, value_name = "GLOB")]
    image: Option<String>,
    #[command(flatten)]
    run: OneRunArgs,
}

/// Options of `runs watch`.
#[derive(Args, Clone, Debug)]
pub(crate) struct OneRunArgs {
    /// Its id, or enough of its start to tell it from others, or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Options of `runs cancel`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CancelArgs {
    /// Its id, or enough of its start to tell it from others, or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// Wait until an aggregator has ended the run
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl RunsCommand {
    /// Whether a run is shown until its end.
    pub(crate) fn shows_a_run(&self) -> bool {
        matches!(self, Self::Watch(args) if !args.table.quiet)
    }

    fn connection(&self) -> &ConnectionArgs {
        match self {
            Self::List(args) => &args.connection,
            Self::Show(args) => &args.run.connection,
            Self::Watch(args) => &args.connection,
            Self::Cancel(args) => &args.connection,
        }
    }
}

/// Runs `runs`.
pub(crate) fn run(
    command: &RunsCommand,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    runtime::run(runtime::GRACE, |stop| async move {
        let queue = command.connection().operator(environment).await?;
        let (ports, stdout) = (queue.ports(), Stdout::Process);
        let carried_out = carry_out(command, ports, environment, screen, &stdout, &stop);
        queue.ended(carried_out.await).await
    })
}

/// Does what was asked for.
pub(super) async fn carry_out(
    command: &RunsCommand,
    queue: &Ports,
    environment: &Environment,
    screen: &Screen,
    stdout: &Stdout,
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    let states = all(queue).await?;
    let prepared = |args: &OneRunArgs| {
        Outputs::prepare(
            &args.output,
            args.table,
            environment,
            screen,
            stdout.clone(),
        )
    };
    match command {
        RunsCommand::List(args) => {
            let shape = output::shape(args.output, environment.no_color);
            listing::write(listed(queue, states).await?, shape, stdout).await
        }
        RunsCommand::Show(args) => {
            let state = choice::of(&states, &args.run.run)?;
            let outputs = prepared(&args.run)?;
            let meant = args.image.as_deref().map(Meant::new).transpose();
            let meant = meant.map_err(Problem::usage)?;
            if state.ended.is_some() {
                waiting::write_some(queue, &state.run, outputs, meant).await?;
            } else {
                let asked = args.run.output.output.unwrap_or_default().others();
                let shape = output::shape(asked, environment.no_color);
                progress::show(queue, state, meant.as_ref(), shape, stdout).await?;
            }
            Ok(Exit::Success)
        }
        RunsCommand::Watch(args) => {
            let state = choice::of(&states, &args.run)?;
            watch(queue, &state.run, prepared(args)?, stop).await
        }
        RunsCommand::Cancel(args) => {
            let state = choice::of(&states, &args.run)?;
            cancel(queue, state, args, stop).await
        }
    }
}

/// All runs that are known now, oldest first.
pub(super) async fn all(queue: &Ports) -> Result<Vec<RunState>, Problem> {
    let reader = queue.states.follow().await;
    let (mut reader, mut states) = (reader.map_err(Problem::not_carried_out)?, Vec::new());
    while let Some(state) = reader
        .next(Duration::ZERO)
        .await
        .map_err(Problem::not_carried_out)?
    {
        states.push(state);
    }
    states.sort_by(|one: &RunState, other| one.run.cmp(&other.run));
    Ok(states)
}

/// The runs with what is known of them: of an open one from its log, of one that ended from its report.
async fn listed(queue: &Ports, states: Vec<RunState>) -> Result<Vec<Listed>, Problem> {
    let mut listed = Vec::with_capacity(states.len());
    for state in states {
        let frame = match state.ended {
            None => queue.log.frame(&state.run).await,
            Some(_) => Ok(RunFrame::default()),
        };
        let frame = frame.map_err(Problem::not_carried_out)?;
        listed.push(Listed { state, frame });
    }
    Ok(listed)
}

async fn watch(
    queue: &Ports,
    run: &RunId,
    outputs: Outputs,
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    let screen = outputs.screen();
    let lines = async {
        if screen.has_display() {
            std::future::pending().await
        } else {
            progress::tell(queue, run).await
        }
    };
    let head = tokio::select! {
        head = waiting::told(queue, run, screen, stop) => head?,
        problem = lines => return Err(problem),
    };
    waiting::write(queue, run, outputs).await?;
    // The report outlasts the log, and a run may have ended without an opening.
    let opened = progress::opened(queue, run).await?;
    let skip_on_error = opened.is_some_and(|opened| opened.skip_on_error);
    Ok(Exit::of_report(&head, skip_on_error))
}

async fn cancel(
    queue: &Ports,
    state: &RunState,
    args: &CancelArgs,
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    let run = &state.run;
    if state.ended.is_some() {
        return Err(Problem::usage(format!(
            "run {run} has ended, expected one that is open"
        )));
    }
    queue
        .runs
        .cancel(run)
        .await
        .map_err(Problem::not_carried_out)?;
    info!(run_id = %run, "cancelled; `image-sync runs watch` waits for its end");
    if !args.wait {
        return Ok(Exit::Success);
    }
    match waiting::end_of(queue, run, None, stop).await? {
        Awaited::Ended(_) => Ok(Exit::Success),
        Awaited::Overdue(why) => Err(waiting::untold(run, why)),
        Awaited::Stopped => Err(Problem::not_carried_out(format!(
            "run {run} is cancelled; waiting for an aggregator to end it was stopped"
        ))),
    }
}
