//! `aggregator`: makes the report of every run, and looks after jobs that kill their workers.

use std::sync::Arc;

use clap::{Args, value_parser};
use image_sync_aggregator::follow_runs::RunFollower;
use image_sync_aggregator::janitor::Janitor;
use image_sync_queue::jetstream::{DEFAULT_MAX_DELIVER, JetStream, Role};
use image_sync_shared::ports::measures::Measures;
use tracing::info;

use crate::options::LISTEN;
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::run::connection::{ConnectionArgs, MAX_DELIVER};
use crate::run::report_store::Store;
use crate::run::runtime;
use crate::run::wiring;
use crate::server::{self, Address, HttpServer};

/// Options of `aggregator`.
#[derive(Args, Clone, Debug)]
pub(crate) struct AggregatorArgs {
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), default_value_t = DEFAULT_MAX_DELIVER, help = MAX_DELIVER)]
    max_deliver: u64,
    #[arg(long, value_name = "HOST:PORT", value_parser = server::address, help = LISTEN)]
    listen: Option<Address>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs `aggregator`.
pub(crate) fn run(args: &AggregatorArgs, environment: &Environment) -> Result<Exit, Problem> {
    let mut server = HttpServer::listen(args.listen.as_ref())?;
    let measures = server.of_runs();
    runtime::run(runtime::GRACE, |stop| async move {
        let serving = server.serve(&stop)?;
        let opening =
            args.connection
                .open_to_take(environment, Role::Aggregator, args.max_deliver, &serving);
        let Some(queue) = stop.run_until_cancelled(Box::pin(opening)).await else {
            return Ok(Exit::Success);
        };
        let queue = queue?;
        serving.ready(Arc::new(queue.backlog()));
        info!("aggregator started");
        let (follower, janitor) = roles(&queue, &measures);
        let store = Store::new(queue.reports());
        let ended = tokio::try_join!(follower.run(&stop), janitor.run(&stop), store.tidy(&stop));
        let closed = queue.close().await;
        ended.map_err(Problem::not_carried_out)?;
        closed.map_err(Problem::not_carried_out)?;
        Ok(Exit::Success)
    })
}

fn roles(queue: &JetStream, measures: &Arc<dyn Measures>) -> (RunFollower, Janitor) {
    let (ports, clock) = (queue.ports(), queue.clock());
    let follower = RunFollower {
        aggregator: wiring::aggregator(ports, &clock, measures),
        states: queue.states(),
        control: Arc::clone(&ports.runs),
        queue: Arc::clone(&ports.jobs),
        reports: Arc::new(Store::new(queue.reports())),
    };
    (follower, wiring::janitor(ports, &clock, measures))
}
