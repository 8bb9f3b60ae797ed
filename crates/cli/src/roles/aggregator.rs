//! `aggregator`: makes the report of every run, and looks after jobs that kill their workers.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use image_sync_producer::aggregate::FinishedRun;
use image_sync_producer::follow_runs::{ReportStore, RunFollower};
use image_sync_producer::janitor::Janitor;
use image_sync_queue::jetstream::{JetStream, Reports, Role};
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use tokio::task::spawn_blocking;
use tracing::info;

use super::connection::ConnectionArgs;
use super::runtime;
use crate::clock::SystemClock;
use crate::environment::Environment;
use crate::exit::{Exit, Problem};
use crate::wiring;

/// Options of `aggregator`.
#[derive(Args, Clone, Debug)]
pub(crate) struct AggregatorArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs `aggregator`.
pub(crate) fn run(args: &AggregatorArgs, environment: &Environment) -> Result<Exit, Problem> {
    runtime::run(Duration::ZERO, |stop| async move {
        let queue = args.connection.open(environment, Role::Aggregator).await?;
        info!("aggregator started");
        let (follower, janitor) = roles(&queue);
        let ended = tokio::try_join!(follower.run(&stop), janitor.run(&stop));
        let closed = queue.close().await;
        ended.map_err(Problem::not_carried_out)?;
        closed.map_err(Problem::not_carried_out)?;
        Ok(Exit::Success)
    })
}

fn roles(queue: &JetStream) -> (RunFollower, Janitor) {
    let (ports, clock) = (queue.ports(), Arc::new(SystemClock) as Arc<dyn Clock>);
    let follower = RunFollower {
        aggregator: wiring::aggregator(ports, &clock),
        states: queue.states(),
        control: Arc::clone(&ports.runs),
        queue: Arc::clone(&ports.jobs),
        reports: Arc::new(Store(queue.reports())),
    };
    (follower, wiring::janitor(ports, &clock))
}

/// The store of reports at the server.
struct Store(Reports);

#[async_trait]
impl ReportStore for Store {
    async fn put(&self, finished: FinishedRun) -> Result<(), QueueError> {
        let run = finished.head.run_id.clone();
        let unwritable = |error: io::Error| {
            QueueError::Refused(format!(
                "the report of run {run} cannot be written: {error}"
            ))
        };
        let written = spawn_blocking(move || in_file(finished)).await;
        let file = written
            .map_err(io::Error::other)
            .flatten()
            .map_err(unwritable)?;
        self.0.put(&run, tokio::fs::File::from_std(file)).await
    }
}

/// The report in a temporary file: it may be too large to be held.
fn in_file(mut finished: FinishedRun) -> io::Result<File> {
    let mut out = BufWriter::new(tempfile::tempfile()?);
    finished.write_json(&mut out)?;
    out.flush()?;
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}
