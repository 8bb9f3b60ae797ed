//! What it means that a producer came so far with a run.

use image_sync_producer::produce::Produced;
use image_sync_shared::ports::runs::run_control::RunControl;
use image_sync_shared::run::RunId;

use crate::process::exit::Problem;

/// What a producer that was not interrupted came to.
pub(crate) enum Published {
    /// All jobs are published.
    All {
        /// How many there are.
        jobs: u32,
    },
    /// Nothing was done, as another run is open.
    Busy {
        /// The open run.
        open: RunId,
    },
}

/// What the producer came to. A run that was only begun is cancelled.
pub(crate) async fn settled(
    runs: &dyn RunControl,
    run: &RunId,
    produced: Produced,
) -> Result<Published, Problem> {
    match produced {
        Produced::Sealed { jobs } => Ok(Published::All { jobs }),
        Produced::Skipped { open } => Ok(Published::Busy { open }),
        Produced::Stopped { jobs } => {
            runs.cancel(run).await.map_err(Problem::not_carried_out)?;
            Err(Problem::not_carried_out(format!(
                "stopped after {jobs} jobs: run {run} is cancelled, and what was published of it is dropped"
            )))
        }
        Produced::Cancelled => Err(Problem::not_carried_out(format!(
            "run {run} was cancelled, or ended, before all of its jobs were published: they are dropped"
        ))),
        Produced::Overdue => Err(Problem::not_carried_out(format!(
            "the deadline of run {run} (settings.run_timeout) passed before all of its jobs were published: it ends as abandoned"
        ))),
    }
}

/// The number of jobs of a run by itself, if all are published.
pub(crate) async fn all(
    runs: &dyn RunControl,
    run: &RunId,
    produced: Produced,
) -> Result<u32, Problem> {
    match settled(runs, run, produced).await? {
        Published::All { jobs } => Ok(jobs),
        Published::Busy { open } => Err(Problem::not_carried_out(format!(
            "nothing was done, as run {open} has the place of run {run}"
        ))),
    }
}
