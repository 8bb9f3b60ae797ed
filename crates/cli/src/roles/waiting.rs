//! Waiting for a run that others carry out.

use std::time::Duration;

use image_sync_queue::jetstream::JetStream;
use image_sync_shared::report::ReportHead;
use image_sync_shared::run::RunId;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::exit::{Exit, Problem};
use crate::outputs::Outputs;

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Waits for the end of a run. None if `stop` is cancelled before, or if there is no such run.
pub(crate) async fn end_of(
    queue: &JetStream,
    run: &RunId,
    stop: &CancellationToken,
) -> Result<Option<ReportHead>, Problem> {
    let states = queue.states();
    loop {
        let state = states.get(run).await.map_err(Problem::not_carried_out)?;
        match state {
            None => return Ok(None),
            Some(state) if state.ended.is_some() => return Ok(state.ended),
            Some(_) => {}
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

/// Waits for the end of a run, writes its report, and says what it means for the exit code.
pub(crate) async fn report_of(
    queue: &JetStream,
    run: &RunId,
    skip_on_error: bool,
    outputs: Outputs,
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    let Some(head) = end_of(queue, run, stop).await? else {
        return Err(Problem::not_carried_out(format!(
            "waiting for run {run} was stopped; the run goes on"
        )));
    };
    write(queue, run, outputs).await?;
    Ok(Exit::of_report(&head, skip_on_error))
}

/// Writes the report of a run once it is here whole.
pub(crate) async fn write(queue: &JetStream, run: &RunId, outputs: Outputs) -> Result<(), Problem> {
    let received = queue.reports().get(run).await;
    let Some(json) = received.map_err(Problem::not_carried_out)? else {
        return Err(Problem::not_carried_out(format!(
            "run {run} has no report, expected one as it ended"
        )));
    };
    // A stdout that takes nothing must not keep a second signal from ending the program.
    let written = spawn_blocking(move || outputs.write_stored(json)).await;
    written.map_err(Problem::not_carried_out)?
}
