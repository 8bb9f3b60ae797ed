//! Waiting for a run that others carry out.

mod fleet;
mod log;

use std::sync::Arc;
use std::time::Duration;

use image_sync_aggregator::image_states::Meant;
use image_sync_queue::Ports;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::{Clock, later};
use image_sync_shared::ports::runs::reports::StoredReport;
use image_sync_shared::ports::runs::run_control::RunControl;
use image_sync_shared::ports::runs::run_states::RunStates;
use image_sync_shared::run::RunId;
use image_sync_shared::run::report::ReportHead;
use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::output::Outputs;
use crate::process::exit::{Exit, Problem};
use crate::terminal::progress::Screen;
use crate::terminal::units;

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// How long an aggregator may take to tell of an end that is due: to take in what the log still has, and to store the report.
const FAIR_TIME: Duration = Duration::from_secs(90);

/// What came of waiting for the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// It ended.
    Ended(ReportHead),
    /// Its end is long due, for this reason, and nobody tells of it.
    Overdue(&'static str),
    /// Waiting was stopped, or there is no such run.
    Stopped,
}

/// Waits for the end of a run, until `stop` is cancelled at most, and shows on the screen how far it is.
pub(crate) async fn end_of(
    queue: &Ports,
    run: &RunId,
    screen: Option<&Screen>,
    stop: &CancellationToken,
) -> Result<Awaited, Problem> {
    info!(run_id = %run, "waiting for the end of the run");
    let board = screen.and_then(|screen| screen.begin_fleet(run, Arc::clone(&queue.clock)));
    let shown = log::show(queue, run, board.as_deref());
    let awaited = tokio::select! {
        awaited = end_in(&*queue.states, &*queue.runs, &*queue.clock, run, stop) => awaited,
        never = Box::pin(fleet::watch(queue, run, board.as_deref())) => match never {},
        never = Box::pin(shown) => match never {},
    };
    if let Some(screen) = screen {
        screen.end();
    }
    awaited.map_err(|error| Problem::not_carried_out(format!("run {run} goes on: {error}")))
}

async fn end_in(
    states: &dyn RunStates,
    runs: &dyn RunControl,
    clock: &dyn Clock,
    run: &RunId,
    stop: &CancellationToken,
) -> Result<Awaited, QueueError> {
    let (since, mut cancelled_at) = (clock.now(), None);
    // Of a run that was not seen yet nothing is known: while NATS is away it is waited for a fair time from now.
    let (mut deadline, mut is_away) = (since, false);
    loop {
        let looked = async {
            let state = states.get(run).await?;
            // A cancellation is never taken back, so it is not asked for again.
            let is_cancelled = cancelled_at.is_some() || runs.was_cancelled(run).await?;
            Ok((state, is_cancelled))
        };
        let looked = tokio::select! {
            // An end that is known by now counts more than being stopped.
            biased;
            looked = looked => looked,
            () = stop.cancelled() => return Ok(Awaited::Stopped),
        };
        match looked {
            Ok((None, _)) => return Ok(Awaited::Stopped),
            Ok((Some(state), is_cancelled)) => {
                if let Some(head) = state.ended {
                    return Ok(Awaited::Ended(head));
                }
                if is_cancelled && cancelled_at.is_none() {
                    cancelled_at = Some(clock.now());
                }
                // Whoever asks after the deadline gives the aggregator a fair time from now on.
                deadline = state.until.max(since);
                if std::mem::replace(&mut is_away, false) {
                    info!(run_id = %run, "NATS is back: waiting for the end of the run");
                }
                if let Some(why) = overdue(deadline, cancelled_at, clock.now()) {
                    return Ok(Awaited::Overdue(why));
                }
            }
            // The run goes on without this command, and may end meanwhile.
            Err(QueueError::Unreachable(error))
                if overdue(deadline, cancelled_at, clock.now()).is_none() =>
            {
                if !std::mem::replace(&mut is_away, true) {
                    warn!(run_id = %run, error, "NATS is away: the run is waited for until its deadline");
                }
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            () = stop.cancelled() => return Ok(Awaited::Stopped),
        }
    }
}

/// Why a run should have ended a fair time ago, if it should.
fn overdue(
    deadline: OffsetDateTime,
    cancelled_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Option<&'static str> {
    if cancelled_at.is_some_and(|at| now >= later(at, FAIR_TIME)) {
        Some("it is cancelled")
    } else if now >= later(deadline, FAIR_TIME) {
        Some("its deadline has passed")
    } else {
        None
    }
}

/// That nobody tells of the end of a run that is due.
pub(crate) fn untold(run: &RunId, why: &str) -> Problem {
    Problem::not_carried_out(format!(
        "run {run}: {why}, and no aggregator told of its end within {}: is one running?",
        units::setting(FAIR_TIME)
    ))
}

/// Waits for the end of a run that is to be told.
pub(crate) async fn told(
    queue: &Ports,
    run: &RunId,
    screen: &Screen,
    stop: &CancellationToken,
) -> Result<ReportHead, Problem> {
    match end_of(queue, run, Some(screen), stop).await? {
        Awaited::Ended(head) => Ok(head),
        Awaited::Overdue(why) => Err(untold(run, why)),
        Awaited::Stopped => Err(Problem::not_carried_out(format!(
            "waiting for run {run} was stopped; the run goes on"
        ))),
    }
}

/// Waits for the end of a run, writes its report, and says what it means for the exit code.
pub(crate) async fn report_of(
    queue: &Ports,
    run: &RunId,
    skip_on_error: bool,
    outputs: Outputs,
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    let head = told(queue, run, outputs.screen(), stop).await?;
    write(queue, run, outputs).await?;
    Ok(Exit::of_report(&head, skip_on_error))
}

/// The report of a run. A server that is away is waited for.
async fn fetched(queue: &Ports, run: &RunId) -> Result<Option<Box<dyn StoredReport>>, QueueError> {
    let start = Instant::now();
    loop {
        match queue.reports.get(run).await {
            Err(QueueError::Unreachable(error)) if start.elapsed() < FAIR_TIME => {
                warn!(run_id = %run, error, "the report cannot be read now: trying again");
                sleep(LOOK).await;
            }
            received => return received,
        }
    }
}

/// Writes the report of a run once it is here whole.
pub(crate) async fn write(queue: &Ports, run: &RunId, outputs: Outputs) -> Result<(), Problem> {
    write_some(queue, run, outputs, None).await
}

/// Writes the report of a run as far as it is about the images that are meant, or all of it.
pub(crate) async fn write_some(
    queue: &Ports,
    run: &RunId,
    outputs: Outputs,
    meant: Option<Meant>,
) -> Result<(), Problem> {
    let received = fetched(queue, run).await;
    let Some(mut stored) = received.map_err(Problem::not_carried_out)? else {
        return Err(Problem::not_carried_out(format!(
            "run {run} ended, and its report is not kept: the oldest go when their store is full (--reports-max-bytes), or \
             after --reports-max-age; `image-sync runs list` has its counts"
        )));
    };
    // A stdout that takes nothing must not keep a second signal from ending the program.
    let written = spawn_blocking(move || match meant {
        None => outputs.write_stored(&mut *stored),
        Some(meant) => outputs.write_some(&mut *stored, &meant),
    });
    let written = written.await;
    written.map_err(Problem::not_carried_out)?
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use image_sync_queue::in_process::{InProcess, InProcessSettings};
    use image_sync_shared::ports::runs::run_states::{RunState, RunStateReader};
    use image_sync_testkit::TokioClock;

    use super::*;
    use crate::samples;

    const MINUTE: Duration = Duration::from_secs(60);

    /// The state of one run, which nobody changes.
    struct Only(RunState);

    #[async_trait]
    impl RunStates for Only {
        async fn get(&self, run: &RunId) -> Result<Option<RunState>, QueueError> {
            Ok((*run == self.0.run).then(|| self.0.clone()))
        }

        async fn end(&self, _: &ReportHead) -> Result<bool, QueueError> {
            Ok(true)
        }

        async fn follow(&self) -> Result<Box<dyn RunStateReader>, QueueError> {
            Err(QueueError::Closed)
        }
    }

    struct Bench {
        clock: TokioClock,
        states: Only,
        runs: Arc<dyn RunControl>,
        stop: CancellationToken,
    }

    impl Bench {
        /// One open run with a deadline this long after now.
        fn with_deadline_in(time: Duration) -> Self {
            let clock = TokioClock::default();
            let queue = InProcess::new(InProcessSettings::default(), Arc::new(clock.clone()));
            Self {
                states: Only(RunState {
                    run: RunId::new("r1"),
                    catalog: "c0ffee".to_owned(),
                    until: clock.now() + time,
                    ended: None,
                }),
                runs: Arc::clone(&queue.ports().runs),
                stop: CancellationToken::new(),
                clock,
            }
        }

        /// What came of waiting, and how long that took.
        async fn wait(&self) -> (Awaited, time::Duration) {
            let (run, since) = (&self.states.0.run, self.clock.now());
            let runs = self.runs.as_ref();
            let awaited = end_in(&self.states, runs, &self.clock, run, &self.stop).await;
            (awaited.unwrap(), self.clock.now() - since)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_run_gives_up_a_while_after_its_deadline() {
        let (awaited, took) = Bench::with_deadline_in(MINUTE).wait().await;
        assert_eq!(awaited, Awaited::Overdue("its deadline has passed"));
        assert_eq!(took, MINUTE + FAIR_TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_cancelled_run_gives_up_a_while_after_that() {
        let bench = Bench::with_deadline_in(60 * MINUTE);
        let cancel = async {
            sleep(MINUTE).await;
            bench.runs.cancel(&bench.states.0.run).await.unwrap();
        };
        let ((awaited, took), ()) = tokio::join!(bench.wait(), cancel);
        assert_eq!(awaited, Awaited::Overdue("it is cancelled"));
        assert!(took >= MINUTE + FAIR_TIME && took <= MINUTE + FAIR_TIME + LOOK);
    }

    #[tokio::test(start_paused = true)]
    async fn an_aggregator_has_its_time_for_a_run_whose_deadline_is_long_past() {
        let bench = Bench::with_deadline_in(Duration::ZERO);
        sleep(60 * MINUTE).await;
        let (awaited, took) = bench.wait().await;
        assert_eq!(awaited, Awaited::Overdue("its deadline has passed"));
        assert_eq!(took, FAIR_TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_run_or_when_it_is_stopped() {
        let mut bench = Bench::with_deadline_in(MINUTE);
        bench.stop.cancel();
        assert_eq!(bench.wait().await.0, Awaited::Stopped);
        bench.states.0.ended = Some(samples::head());
        assert_eq!(bench.wait().await.0, Awaited::Ended(samples::head()));
    }

    #[test]
    fn a_run_of_whose_end_nobody_tells_was_not_carried_out() {
        let problem = untold(&RunId::new("r1"), "its deadline has passed");
        assert_eq!(problem.exit, Exit::NotCarriedOut);
        assert_eq!(
            problem.to_string(),
            "run r1: its deadline has passed, and no aggregator told of its end within 1m 30s: is one running?"
        );
    }
}
