//! What it means that a producer came so far with a run.

use image_sync_producer::produce::Produced;
use image_sync_shared::ports::run_control::RunControl;
use image_sync_shared::run::RunId;

use crate::exit::Problem;

/// How far it came, if all jobs are published or another run is open. A run that was only begun is cancelled.
pub(crate) async fn settled(
    runs: &dyn RunControl,
    run: &RunId,
    produced: Produced,
) -> Result<Produced, Problem> {
    let Produced::Stopped { jobs } = produced else {
        return Ok(produced);
    };
    runs.cancel(run).await.map_err(Problem::not_carried_out)?;
    Err(Problem::not_carried_out(format!(
        "stopped after {jobs} jobs: run {run} is cancelled, and what was published of it is dropped"
    )))
}

/// The number of jobs of a run by itself, if all are published.
pub(crate) async fn all(
    runs: &dyn RunControl,
    run: &RunId,
    produced: Produced,
) -> Result<u32, Problem> {
    match settled(runs, run, produced).await? {
        Produced::Sealed { jobs } | Produced::Stopped { jobs } => Ok(jobs),
        Produced::Skipped { open } => Err(Problem::not_carried_out(format!(
            "nothing was done, as run {open} has the place of run {run}"
        ))),
    }
}
