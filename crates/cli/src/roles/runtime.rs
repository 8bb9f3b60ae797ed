//! A role as a process: its runtime, and the signals that end it.

use std::time::Duration;

use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::exit::{Exit, Problem};
use crate::shutdown::Signals;

/// Runs `work`, whose token the first signal cancels; the second signal ends it at once. `grace` is what the first one's
/// log line says.
pub(crate) fn run<W>(
    grace: Duration,
    work: impl FnOnce(CancellationToken) -> W,
) -> Result<Exit, Problem>
where
    W: Future<Output = Result<Exit, Problem>>,
{
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Problem::not_carried_out)?;
    let ended = runtime.block_on(async {
        let signals = Signals::listen().map_err(Problem::not_carried_out)?;
        let stop = CancellationToken::new();
        tokio::select! {
            ended_by = signals.watch(stop.clone(), grace) => Ok(ended_by),
            ended = work(stop.clone()) => ended,
        }
    });
    // After a second signal, nobody waits for what is still under way.
    runtime.shutdown_background();
    ended
}
