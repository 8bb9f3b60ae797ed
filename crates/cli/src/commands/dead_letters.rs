//! `dead-letters`: looks at jobs that were given up, and puts them back or drops them.

mod listing;
mod row;

use std::io::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand};
use image_sync_producer::replay::{self, Choice, LetterError};
use image_sync_queue::Ports;
use image_sync_shared::ports::queue::dead_letters::DeadLetters;
use image_sync_shared::text::escape_json;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::options::{OutputArgs, TableArgs};
use crate::output::{self, Outputs};
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;
use crate::run::connection::{ConnectionArgs, ListArgs};
use crate::run::published;
use crate::run::runtime;
use crate::run::waiting;
use crate::run::wiring;
use crate::terminal::progress::Screen;

pub(crate) const HELP: &str = "\
Examples:
  image-sync dead-letters list
  image-sync dead-letters show 01JD3X8M5R6Q0T7V9W1Y2Z4A5B:17
  image-sync dead-letters replay 01JD3X8M5R6Q0T7V9W1Y2Z4A5B:17 --wait > report.json
  image-sync dead-letters drop --all";

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// All of them, oldest first
    List(Box<ListArgs>),
    /// All about one of them as JSON: its job with past attempts, or the message that was no job
    Show(Box<ShowArgs>),
    /// Put their jobs back as a new run, ahead of the bulk, and remove them
    Replay(Box<ReplayArgs>),
    /// Remove them
    Drop(Box<DropArgs>),
}

/// Options of `dead-letters show`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArgs {
    /// Its id
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Which letters.
#[derive(Args, Clone, Debug)]
struct Which {
    /// Their ids
    #[arg(
        value_name = "ID",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    ids: Vec<String>,
    /// All that there are
    #[arg(long)]
    all: bool,
}

impl Which {
    fn choice(&self) -> Choice {
        if self.all {
            Choice::All
        } else {
            Choice::These(self.ids.clone())
        }
    }
}

/// Options of `dead-letters replay`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    which: Which,
    /// Wait for the end of the run, write its report and exit with its code
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    output: OutputArgs,
    /// How long the run may take
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "6h")]
    run_timeout: Duration,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Options of `dead-letters drop`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DropArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl DeadLettersCommand {
    /// Whether a run is shown until its end.
    pub(crate) fn shows_its_run(&self) -> bool {
        matches!(self, Self::Replay(args) if args.wait)
    }

    fn connection(&self) -> &ConnectionArgs {
        match self {
            Self::List(args) => &args.connection,
            Self::Show(args) => &args.connection,
            Self::Replay(args) => &args.connection,
            Self::Drop(args) => &args.connection,
        }
    }
}

/// Runs `dead-letters`.
pub(crate) fn run(
    command: &DeadLettersCommand,
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
    command: &DeadLettersCommand,
    queue: &Ports,
    environment: &Environment,
    screen: &Screen,
    stdout: &Stdout,
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    let letters = &*queue.letters;
    match command {
        DeadLettersCommand::List(args) => {
            let shape = output::shape(args.output, environment.no_color);
            listing::write(letters, shape, stdout).await
        }
        DeadLettersCommand::Show(args) => show(letters, &args.id, stdout).await,
        DeadLettersCommand::Replay(args) => {
            let outputs = Outputs::prepare(
                &args.output,
                TableArgs::default(),
                environment,
                screen,
                stdout.clone(),
            )?;
            replay(args, queue, outputs, stop).await
        }
        DeadLettersCommand::Drop(args) => {
            let dropped = replay::discard(letters, &args.which.choice()).await;
            // Not within the log line, which nobody evaluates where it is not wanted.
            let dropped = dropped.map_err(problem)?;
            info!(letters = dropped, "dropped dead letters");
            Ok(Exit::Success)
        }
    }
}

async fn show(letters: &dyn DeadLetters, id: &str, stdout: &Stdout) -> Result<Exit, Problem> {
    let letter = letters.get(id).await.map_err(Problem::not_carried_out)?;
    let Some(letter) = letter else {
        return Err(problem(LetterError::Unknown(vec![format!("{id:?}")])));
    };
    let json = serde_json::to_string_pretty(&letter).map_err(Problem::not_carried_out)?;
    let written = stdout.write_aside(move |out| writeln!(out, "{}", escape_json(&json)));
    written.await?;
    Ok(Exit::Success)
}

async fn replay(
    args: &ReplayArgs,
    queue: &Ports,
    outputs: Outputs,
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    let choice = args.which.choice();
    let producer = wiring::producer(queue, &queue.clock);
    let letters = &*queue.letters;
    let replayed = replay::replay(&producer, letters, &choice, args.run_timeout, stop).await;
    let Some((run, outcome)) = replayed.map_err(problem)? else {
        info!("there is no dead letter to replay");
        return Ok(Exit::Success);
    };
    let jobs = published::all(&*queue.runs, &run, outcome).await?;
    info!(run_id = %run, images = jobs, "replayed dead letters");
    if !args.wait {
        return Ok(Exit::Success);
    }
    waiting::report_of(queue, &run, false, outputs, stop).await
}

fn problem(error: LetterError) -> Problem {
    match error {
        LetterError::Queue(error) => Problem::not_carried_out(error),
        error => Problem::usage(error),
    }
}
