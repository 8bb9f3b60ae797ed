//! The role *aggregator*: follows a run to its end and makes its report.
//!
//! A run is known by its log alone, so an aggregator can be started again at any time and comes to the same report.
//! Results are kept in a temporary file without a name (in memory while they are few), with about twenty bytes per image
//! in memory, and the report is written from there in the order of the catalog.

mod first_values;
pub mod lines;
mod missing;
mod report;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::runs::run_log::{LogPlace, RunLog};
use image_sync_shared::ports::runs::run_states::RunState;
use image_sync_shared::ports::telemetry::measures::Measures;
use image_sync_shared::ports::telemetry::trace_context::{Propagator, TraceContext};
use image_sync_shared::run::outcome::ImageResult;
use image_sync_shared::run::report::{PROGRAM_VERSION, ReportHead, RunStatus, SCHEMA_VERSION};
use image_sync_shared::run::{RunEvent, RunId, RunOpened, Trigger};
use image_sync_shared::text::timestamp;
use thiserror::Error;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, info_span};

pub use report::FinishedRun;

use crate::fold::Fold;
use first_values::FirstValues;
use missing::Missing;

/// How long one look into the log waits: so late at most are a deadline and a stop seen.
const LOOK: Duration = Duration::from_millis(250);
/// How long nothing may come of a log that has more, by the word of its server, before it is taken as it was read.
const STUCK: Duration = Duration::from_secs(60);
/// How long a log may have no opening, which a producer stores right after it claimed its catalog. A server that is away
/// for as long as is waited for must not look like a death.
const NO_OPENING: Duration = Duration::from_secs(60);

/// How following a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every image has a result.
    Complete,
    /// The deadline passed before every image had one.
    DeadlinePassed,
    /// The run was never sealed, and its producer fell silent, or the deadline passed: its producer died.
    Abandoned,
    /// It was told to stop before every image had one.
    Interrupted,
}

/// Why a run has no report.
#[derive(Debug, Error)]
pub enum AggregateError {
    /// The log cannot be read.
    #[error("the log of the run: {0}")]
    Log(#[from] QueueError),
    /// The results cannot be kept.
    #[error("the temporary file for results (in TMPDIR, else /tmp): {0}")]
    Spool(#[from] io::Error),
    /// The log has no opening: following it was stopped, or none came for a while.
    #[error("run {0} has no log, expected one that begins with its opening")]
    NotOpened(RunId),
    /// The log was opened, and its opening is gone, as a full stream drops its oldest events.
    #[error("the log of run {0} has lost its beginning")]
    BeginningLost(RunId),
}

/// What the aggregator works with.
#[derive(Clone)]
pub struct Aggregator {
    /// The logs of runs.
    pub log: Arc<dyn RunLog>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes the fold a part of the run's trace.
    pub traces: Arc<dyn Propagator>,
    /// Counts what is folded.
    pub measures: Arc<dyn Measures>,
}

/// What was read of a log.
#[derive(Default)]
struct Followed {
    fold: Fold,
    results: FirstValues<ImageResult>,
    place: LogPlace,
}

impl Followed {
    /// Takes an event in, and says how many results count by it.
    fn take(&mut self, event: RunEvent) -> io::Result<usize> {
        let results = self.fold.apply(event);
        for result in &results {
            self.results.put(result.idx, &result.entry)?;
        }
        Ok(results.len())
    }
}

impl Aggregator {
    /// Follows `run` until it is complete, until its deadline, or until `stop` is cancelled. Then all that the log has by
    /// that time is still taken in, however long that takes: cancel it when the workers are done.
    pub async fn follow(
        &self,
        run: &RunId,
        stop: &CancellationToken,
    ) -> Result<FinishedRun, AggregateError> {
        let span = info_span!("fold", run_id = %run);
        self.follow_inside_span(run, stop).instrument(span).await
    }

    async fn follow_inside_span(
        &self,
        run: &RunId,
        stop: &CancellationToken,
    ) -> Result<FinishedRun, AggregateError> {
        let mut followed = Followed::default();
        let status = self.follow_log(run, stop, &mut followed).await?;
        let Some(opened) = followed.fold.opened().cloned() else {
            let why = match followed.place.events {
                0 => AggregateError::NotOpened,
                _ => AggregateError::BeginningLost,
            };
            return Err(why(run.clone()));
        };
        let ending = ending(status);
        let mut head = head(run, &followed.fold, &opened, ending, self.clock.now());
        let missing = self.missing(run, &followed, &head).await?;
        head.bytes_copied = head.bytes_copied.saturating_add(missing.bytes_copied());
        let missing = missing.images()?;
        tell(&head);
        tell_of_unproven(followed.fold.unproven());
        Ok(FinishedRun::new(
            head,
            opened,
            ending,
            followed.results,
            missing,
        ))
    }

    /// How the run ended, or none where following it was stopped. The producer's silence is the time that was spent
    /// waiting for it here, so that neither another machine's clock nor a pause of this process looks like a death.
    async fn follow_log(
        &self,
        run: &RunId,
        stop: &CancellationToken,
        followed: &mut Followed,
    ) -> Result<Option<RunStatus>, AggregateError> {
        let (mut silence, mut quiet, mut end) = (Duration::ZERO, Duration::ZERO, None);
        let mut reader = self.log.read(run).await?;
        loop {
            // Seen before the look, so that the last look is one that began after the stop.
            let stopping = stop.is_cancelled();
            let event = reader.next(LOOK).await?;
            silence = match &event {
                // Only looks that find nothing count: no run is given up while results of its workers still come.
                None => silence.saturating_add(LOOK),
                Some(event) if event.is_sign_of_producer() => Duration::ZERO,
                Some(_) => silence,
            };
            quiet = match &event {
                None => quiet.saturating_add(LOOK),
                Some(_) => Duration::ZERO,
            };
            if let Some(event) = event {
                self.take(event, followed)?;
            }
            // After the event is taken in: the second reading, for what misses, goes as far as this one did.
            followed.place = reader.place();
            let status = match followed.fold.ended(self.clock.now()) {
                Some(RunStatus::Complete) => return Ok(Some(RunStatus::Complete)),
                Some(status) => Some(status),
                None if followed.fold.is_abandoned_after(silence) => Some(RunStatus::Abandoned),
                None if stopping => None,
                None if followed.fold.opened().is_none() && silence >= NO_OPENING => None,
                None => {
                    // Open again: what was read since then, as a sign of the producer, says that it goes on.
                    end = None;
                    continue;
                }
            };
            // A log may be longer than was read by now, and may go on for ever: what it has at this moment is what counts.
            let end = match end {
                Some(end) => end,
                None => *end.insert(reader.end().await?),
            };
            if followed.place.reaches(end, !quiet.is_zero()) {
                return Ok(status);
            }
            // An end that is never reached must not keep the run open, nor those that wait for its catalog.
            if quiet >= STUCK {
                tell_of_stuck(followed.place, end);
                return Ok(status);
            }
        }
    }

    fn take(&self, event: RunEvent, followed: &mut Followed) -> io::Result<()> {
        if let RunEvent::Open(opened) = &event {
            self.traces.join(&Span::current(), &opened.trace);
            if self.clock.now() >= opened.deadline_at {
                tracing::warn!(
                    deadline = %opened.deadline_at,
                    "the deadline had passed when the opening of the run was read: there was no aggregator for so long, or \
                     its producer is of a version that goes by its own clock, which is wrong"
                );
            }
        }
        for _ in 0..followed.take(event)? {
            self.measures.result_folded();
        }
        Ok(())
    }

    /// The images without a result, of which the log tells names and attempts. A complete run is not read again, and no more
    /// is read than before: a log may go on for ever.
    async fn missing(
        &self,
        run: &RunId,
        followed: &Followed,
        head: &ReportHead,
    ) -> Result<Missing, AggregateError> {
        // The log of a run that is complete is not read a second time.
        if head.summary.missing == 0 {
            return Ok(Missing::default());
        }
        let mut missing = Missing::default();
        let mut reader = self.log.read(run).await?;
        let mut quiet = Duration::ZERO;
        while !reader.place().reaches(followed.place, !quiet.is_zero()) && quiet < STUCK {
            quiet = match reader.next(LOOK).await? {
                Some(event) => {
                    missing.take(event, &followed.fold)?;
                    Duration::ZERO
                }
                None => quiet.saturating_add(LOOK),
            };
        }
        Ok(missing)
    }
}

impl FinishedRun {
    /// A run that ended before its log was told of it. Its report is empty, and names no target.
    pub(crate) fn never_opened(state: &RunState, ending: Ending, now: OffsetDateTime) -> Self {
        let is_by_itself = state.catalog == state.run.own_catalog();
        let opened = RunOpened {
            started_at: now,
            deadline_at: state.until,
            trigger: if is_by_itself {
                Trigger::Enqueue
            } else {
                Trigger::Schedule
            },
            cache_registry: String::new(),
            config_hash: state.catalog.clone(),
            images: None,
            skip_on_error: false,
            dry_run: false,
            silence_ms: u64::try_from(NO_OPENING.as_millis()).unwrap_or(u64::MAX),
            key: None,
            trace: TraceContext::default(),
        };
        let head = head(&state.run, &Fold::default(), &opened, ending, now);
        Self::new(
            head,
            opened,
            ending,
            FirstValues::default(),
            FirstValues::default(),
        )
    }
}

fn ending(status: Option<RunStatus>) -> Ending {
    match status {
        Some(RunStatus::Complete) => Ending::Complete,
        Some(RunStatus::Incomplete) => Ending::DeadlinePassed,
        Some(RunStatus::Abandoned) => Ending::Abandoned,
        Some(RunStatus::Cancelled | RunStatus::Other(_)) | None => Ending::Interrupted,
    }
}

fn head(
    run: &RunId,
    fold: &Fold,
    opened: &RunOpened,
    ending: Ending,
    now: OffsetDateTime,
) -> ReportHead {
    let took = (now - opened.started_at).whole_milliseconds();
    ReportHead {
        schema_version: SCHEMA_VERSION,
        program_version: PROGRAM_VERSION.to_owned(),
        timestamp: timestamp::whole_milliseconds(now),
        cache_registry: opened.cache_registry.clone(),
        run_id: run.clone(),
        trigger: opened.trigger,
        status: match ending {
            Ending::Complete => RunStatus::Complete,
            Ending::DeadlinePassed | Ending::Interrupted => RunStatus::Incomplete,
            Ending::Abandoned => RunStatus::Abandoned,
        },
        dry_run: opened.dry_run,
        started_at: timestamp::whole_milliseconds(opened.started_at),
        duration_ms: u64::try_from(took).unwrap_or(0),
        bytes_copied: fold.bytes_copied(),
        summary: fold.summary(),
        left_out: None,
    }
}

fn tell(head: &ReportHead) {
    let summary = &head.summary;
    tracing::info!(
        status = %head.status.name(),
        pulled = summary.pulled,
        already_cached = summary.already_cached,
        skipped = summary.skipped,
        failed = summary.failed,
        missing = summary.missing,
        total = summary.total,
        "run ended"
    );
}

fn tell_of_stuck(place: LogPlace, end: LogPlace) {
    tracing::warn!(
        read = place.events,
        expected = end.events,
        "the log of the run has more than its server gives: the report is made of what was read"
    );
}

fn tell_of_unproven(results: u64) {
    if results > 0 {
        tracing::warn!(
            results,
            "results did not count, as they have not the code of a job of the run: whoever appended them has a worker's \
             permissions, and is none of its workers"
        );
    }
}

#[cfg(test)]
mod tests;
