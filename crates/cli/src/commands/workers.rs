//! `workers`: looks at who takes jobs.

mod listing;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand};
use image_sync_queue::Ports;
use image_sync_shared::ports::queue::fleet::{Duty, Presence};
use tokio::time::timeout_at;

use crate::output;
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;
use crate::run::connection::ListArgs;
use crate::run::runtime;
use listing::Seen;

pub(crate) const HELP: &str = "\
Examples:
  image-sync workers list
  image-sync workers list --output json";

/// So many workers are listed at most.
const MOST: usize = 10_000;

/// What to do with workers.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkersCommand {
    /// All that answer: how many jobs each works at the same time, what it has in hand, its version, where it runs and since when
    List(Box<WorkersListArgs>),
}

/// Options of `workers list`.
#[derive(Args, Clone, Debug)]
pub(crate) struct WorkersListArgs {
    /// How long to wait for answers
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "1s")]
    within: Duration,
    #[command(flatten)]
    list: ListArgs,
}

/// Runs `workers`.
pub(crate) fn run(command: &WorkersCommand, environment: &Environment) -> Result<Exit, Problem> {
    let WorkersCommand::List(args) = command;
    runtime::run(runtime::GRACE, |_stop| async move {
        let queue = args.list.connection.operator(environment).await?;
        let carried_out = carry_out(command, queue.ports(), environment, &Stdout::Process);
        queue.ended(carried_out.await).await
    })
}

/// Does what was asked for.
pub(super) async fn carry_out(
    command: &WorkersCommand,
    queue: &Ports,
    environment: &Environment,
    stdout: &Stdout,
) -> Result<Exit, Problem> {
    let WorkersCommand::List(args) = command;
    let shape = output::shape(args.list.output, environment.no_color);
    listing::write(gathered(queue, args.within).await?, shape, stdout).await
}

/// All workers that answer in this time, by their names.
async fn gathered(queue: &Ports, within: Duration) -> Result<Vec<Seen>, Problem> {
    let fleet = &*queue.fleet;
    let told = fleet.listen().await;
    let mut told = told.map_err(Problem::not_carried_out)?;
    fleet.ask().await.map_err(Problem::not_carried_out)?;
    let (end, mut workers) = (tokio::time::Instant::now() + within, BTreeMap::new());
    while let Ok(Presence { duty, about }) = timeout_at(end, told.next()).await {
        let is_known = workers.contains_key(&about.name);
        if about.has_left {
            workers.remove(&about.name);
        } else if duty == Duty::Worker && (is_known || workers.len() < MOST) {
            let at = queue.clock.now();
            workers.insert(about.name.clone(), Seen { about, at });
        }
    }
    if workers.is_empty() {
        // That it is not allowed to ask, or to hear the answers, is known by now.
        fleet.ask().await.map_err(Problem::not_carried_out)?;
    }
    Ok(workers.into_values().collect())
}
