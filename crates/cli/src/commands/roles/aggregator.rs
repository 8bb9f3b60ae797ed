//! `aggregator`: makes the report of every run, and looks after jobs that kill their workers.

use std::sync::Arc;

use clap::Args;
use image_sync_aggregator::follow_runs::RunFollower;
use image_sync_queue::Ports;
use image_sync_shared::ports::queue::fleet::Duty;
use image_sync_shared::ports::telemetry::measures::Measures;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::presence::{Member, own_name};
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::run::connection::{ConnectionArgs, MaxDeliver};
use crate::run::report_store::Store;
use crate::run::runtime;
use crate::run::wiring;
use crate::server::{HttpServer, ListenArgs};

/// Options of `aggregator`.
#[derive(Args, Clone, Debug)]
pub(crate) struct AggregatorArgs {
    #[command(flatten)]
    max_deliver: MaxDeliver,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs `aggregator`.
pub(crate) fn run(args: &AggregatorArgs, environment: &Environment) -> Result<Exit, Problem> {
    let mut server = HttpServer::listen(&args.listen)?;
    let measures = server.of_runs();
    runtime::run(runtime::GRACE, |stop| async move {
        let serving = server.serve(&stop)?;
        let opening = args
            .connection
            .aggregator(environment, args.max_deliver, &serving);
        let Some(queue) = stop.run_until_cancelled(Box::pin(opening)).await else {
            return Ok(Exit::Success);
        };
        let queue = queue?;
        serving.ready(Arc::clone(&queue.ports().backlog));
        let ended = aggregate(queue.ports(), &measures, &stop).await;
        let closed = queue.close().await;
        ended?;
        closed.map_err(Problem::not_carried_out)?;
        Ok(Exit::Success)
    })
}

/// Looks after runs, their reports and jobs that kill their workers, until `stop` is cancelled.
pub(in crate::commands) async fn aggregate(
    queue: &Ports,
    measures: &Arc<dyn Measures>,
    stop: &CancellationToken,
) -> Result<(), Problem> {
    info!("aggregator started");
    let store = Arc::new(Store::new(Arc::clone(&queue.reports)));
    let follower = RunFollower {
        aggregator: wiring::aggregator(queue, &queue.clock, measures),
        states: Arc::clone(&queue.states),
        control: Arc::clone(&queue.runs),
        queue: Arc::clone(&queue.jobs),
        reports: Arc::<Store>::clone(&store),
    };
    let janitor = wiring::janitor(queue, &queue.clock, measures);
    let member = Member {
        duty: Duty::Aggregator,
        name: own_name(),
        since: queue.clock.now(),
        slots: 0,
        hand: None,
    };
    // An error of one ends all three; at a stop each ends by itself.
    let work = async { tokio::try_join!(follower.run(stop), janitor.run(stop), store.tidy(stop)) };
    let ended = tokio::select! {
        ended = work => ended,
        never = member.tell_on(&*queue.fleet) => match never {},
    };
    member.leave(&*queue.fleet).await;
    ended.map(drop).map_err(Problem::not_carried_out)
}
