//! What it means that a producer came so far with a run by itself.

use image_sync_producer::produce::Produced;
use image_sync_shared::run::RunId;

use crate::exit::Problem;

/// The number of jobs, if all are published.
pub(crate) fn all(run: &RunId, produced: Produced) -> Result<u32, Problem> {
    match produced {
        Produced::Sealed { jobs } => Ok(jobs),
        Produced::Stopped { jobs } => Err(Problem::not_carried_out(format!(
            "stopped after {jobs} jobs: run {run} has no seal and ends as abandoned"
        ))),
        Produced::Skipped { open } => Err(Problem::not_carried_out(format!(
            "nothing was done, as run {open} has the place of run {run}"
        ))),
    }
}
