//! A role as a process: its runtime, and the signals that end it.

use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::process::exit::{Exit, Problem};
use crate::process::shutdown::{LAST_WORDS, Signals};

/// The grace time of a role that has nothing in hand: what it still has to ask of a server takes moments, if that is there.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Runs `work`, whose token the first signal cancels. It is broken off after the grace time, which the signal's log line
/// says, and a moment for last words; and at once by a second signal.
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
            ended_by = signals.watch(stop.clone(), grace, None) => Ok(ended_by),
            ended = work(stop.clone()) => ended,
            problem = out_of_time(&stop, grace) => Err(problem),
        }
    });
    // Nobody waits for what is still under way.
    runtime.shutdown_background();
    ended
}

async fn out_of_time(stop: &CancellationToken, grace: Duration) -> Problem {
    stop.cancelled().await;
    sleep(grace + LAST_WORDS).await;
    Problem::not_carried_out(
        "the time to end in order is over: what was still under way is broken off",
    )
}
