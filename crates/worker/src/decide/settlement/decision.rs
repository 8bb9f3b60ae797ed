//! Each thing that may become of a job, in full.

use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, Side};
use image_sync_shared::ports::clock::later;
use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::retry::RetryPolicy;
use image_sync_shared::run::job::{Job, Place};
use image_sync_shared::run::outcome::{Action, ImageResult, JobResult, ReportedFailure};
use image_sync_shared::run::{RunEvent, Trigger};
use image_sync_shared::text::excerpt;
use image_sync_shared::text::timestamp;
use time::OffsetDateTime;

use super::{AttemptOutcome, HostPause, Settlement, SettlementPolicy, rfc3339};
use crate::decide::tally::Tally;

/// How long a host is left alone that answers 429 without saying for how long.
const UNSTATED_PAUSE: RetryPolicy = RetryPolicy {
    attempts: u32::MAX,
    initial: Duration::from_secs(2),
    max: Duration::from_secs(300),
};
pub(super) const SHORTEST_UNSTATED_PAUSE: Duration = Duration::from_secs(1);

/// What a settlement is decided from, beside how the attempt ended.
#[derive(Clone, Copy)]
pub(super) struct Decision<'a> {
    pub(super) job: &'a Job,
    pub(super) policy: &'a SettlementPolicy<'a>,
    pub(super) now: OffsetDateTime,
}

impl Decision<'_> {
    pub(super) fn retry(self, ended: AttemptOutcome, failure: Failure) -> Settlement {
        let Self { job, now, .. } = self;
        let wait = self.policy.retry.delay(job.attempt);
        let due = later(now, wait);
        if let Some(deadline) = self.missed_deadline(due) {
            let failure = too_late(failure, "; ", &next_attempt(due), deadline);
            return self.finish(failed(ended, failure), None);
        }
        Settlement::Requeue {
            event: RunEvent::Attempt {
                idx: job.idx,
                attempt: job.attempt,
                defers: job.defers,
                error: failure.to_string(),
                due: None,
                bytes_copied: 0,
            },
            successor: Box::new(worked(job, &ended).after_attempt(now, failure, wait)),
        }
    }

    /// Puts the job back until its host is asked again; if that `counts` as an attempt, unless it was the last.
    pub(super) fn pause(
        self,
        ended: AttemptOutcome,
        failure: Failure,
        retry_after: Option<Duration>,
        counts: bool,
    ) -> Settlement {
        let Self { job, policy, now } = self;
        let unstated = || {
            UNSTATED_PAUSE
                .delay(job.defers.saturating_add(1))
                // Full jitter may draw next to nothing, and who has just answered 429 is not asked again at once.
                .max(SHORTEST_UNSTATED_PAUSE)
        };
        let asked = retry_after.unwrap_or_else(unstated);
        let until = later(now, asked.min(policy.max_pause));
        let place = place(job, failure.side);
        let pause = place.image.repository.host().map(|host| HostPause {
            host: host.to_owned(),
            until,
            reason: failure.to_string(),
            longest: policy.max_pause,
        });
        let left_alone = format!("left alone until {}", rfc3339(until));
        let due = later(until, spread(policy.pause_spread));
        if let Some(deadline) = self.missed_deadline(due) {
            let failure = too_late(failure, "; ", &left_alone, deadline);
            return self.finish(failed(ended, failure), pause);
        }
        if counts && !policy.retry.allows_another(job.attempt) {
            return self.finish(ended, pause);
        }
        let why = format!("{failure}; {left_alone}");
        let worked = worked(job, &ended);
        let (successor, event) = if counts {
            let wait = Duration::try_from(due - now).unwrap_or_default();
            let event = RunEvent::Attempt {
                idx: job.idx,
                attempt: job.attempt,
                defers: job.defers,
                error: why.clone(),
                due: None,
                bytes_copied: 0,
            };
            (worked.after_attempt(now, failure, wait), event)
        } else {
            (worked.deferred(due), put_back(job, &why))
        };
        Settlement::Defer {
            successor: Box::new(successor),
            event: Some(event),
            pause,
            why,
        }
    }

    pub(super) fn put_back(self, ended: AttemptOutcome, failure: Failure) -> Settlement {
        let Self { job, policy, now } = self;
        let due = later(now, put_back_for(job, failure.class, policy));
        if let Some(deadline) = self.missed_deadline(due) {
            let failure = too_late(failure, "; ", &next_attempt(due), deadline);
            return self.finish(failed(ended, failure), None);
        }
        let why = match failure.class {
            // Neither end has failed.
            FailureClass::Interrupted => failure.answer,
            _ => failure.to_string(),
        };
        Settlement::Defer {
            successor: Box::new(worked(job, &ended).deferred(due)),
            event: Some(put_back(job, &why)),
            pause: None,
            why,
        }
    }

    /// The deadline of the job's run, if what is due at this time comes too late for it. One that is over already decides
    /// nothing: what is left of such a run is dropped, unless the clock here is ahead.
    pub(super) fn missed_deadline(self, due: OffsetDateTime) -> Option<OffsetDateTime> {
        let is_missed = |deadline: &OffsetDateTime| self.now < *deadline && *deadline <= due;
        self.job.deadline_at.filter(is_missed)
    }

    pub(super) fn finish(self, ended: AttemptOutcome, pause: Option<HostPause>) -> Settlement {
        let Self { job, policy, now } = self;
        let failure = ended.outcome.as_ref().err();
        let error = failure.map(|failure| match job.attempt {
            1 => failure.to_string(),
            attempts => format!("{failure} (attempt {attempts})"),
        });
        // A dry run leaves nothing to be replayed.
        let letter = error.clone().filter(|_| !job.policy.dry_run);
        let letter = letter.map(|reason| {
            Box::new(DeadLetter {
                id: job.job_id.to_string(),
                died_at: now,
                reason,
                job: Some(job.clone()),
                raw: None,
            })
        });
        let class = failure.map(|failure| failure.class);
        Settlement::Finish {
            result: Box::new(JobResult {
                idx: job.idx,
                worker: policy.worker.to_owned(),
                class,
                mac: job.mac,
                entry: entry(job, ended, error, now),
            }),
            letter,
            pause,
        }
    }
}

/// The same end with more to say of it.
fn failed(ended: AttemptOutcome, failure: Failure) -> AttemptOutcome {
    AttemptOutcome {
        outcome: Err(failure),
        ..ended
    }
}

/// The failure of an image that would be tried again too late for its run.
pub(super) fn too_late(
    mut failure: Failure,
    joint: &str,
    why: &str,
    deadline: OffsetDateTime,
) -> Failure {
    let deadline = rfc3339(deadline);
    // A long answer must not crowd out what comes behind it.
    let answer = excerpt(&failure.answer);
    failure.answer = format!("{answer}{joint}{why}, too late for the run's deadline {deadline}");
    failure
}

fn next_attempt(due: OffsetDateTime) -> String {
    format!("the next attempt would begin at {}", rfc3339(due))
}

/// A job with what its attempts did so far.
fn worked(job: &Job, ended: &AttemptOutcome) -> Job {
    Job {
        so_far: ended.work(),
        ..job.clone()
    }
}

pub(super) fn place(job: &Job, side: Side) -> &Place {
    match side {
        Side::Source => &job.source,
        Side::Target => &job.target,
    }
}

pub(super) fn put_back(job: &Job, why: &str) -> RunEvent {
    RunEvent::Attempt {
        idx: job.idx,
        attempt: job.attempt.saturating_sub(1),
        defers: job.defers.saturating_add(1),
        error: why.to_owned(),
        due: None,
        bytes_copied: 0,
    }
}

/// A worker that was told to stop hands its job to the next one at once; a target that another worker writes takes a while.
/// Somebody may be waiting for what an event told of.
fn put_back_for(job: &Job, class: FailureClass, policy: &SettlementPolicy<'_>) -> Duration {
    let busy_wait = match job.trigger {
        Trigger::Webhook => policy.busy_wait / 5,
        _ => policy.busy_wait,
    };
    match class {
        FailureClass::Interrupted => Duration::ZERO,
        _ => busy_wait + spread(busy_wait),
    }
}

/// Some part of `over`.
pub(super) fn spread(over: Duration) -> Duration {
    RetryPolicy {
        attempts: 1,
        initial: over,
        max: over,
    }
    .delay(1)
}

fn entry(
    job: &Job,
    ended: AttemptOutcome,
    error: Option<String>,
    now: OffsetDateTime,
) -> ImageResult {
    let work = ended.work();
    let blobs = ended.tally.distinct_blobs();
    let artifacts = ended.tally.distinct_artifacts();
    let failure = ended.outcome.as_ref().err();
    let failure = failure.map(|failure| Box::new(ReportedFailure::from(failure)));
    let Tally {
        remote,
        cached,
        expected,
        would_copy,
        note,
        attestations_left_out,
        ..
    } = ended.tally;
    ImageResult {
        image: job.image.clone(),
        tag: job.tag.clone(),
        action: ended.outcome.unwrap_or(Action::Failed),
        remote_digest: remote,
        cached_digest: cached,
        duration_ms: work.duration_ms,
        error,
        failure,
        started_at: work.started_at,
        ended_at: work.started_at.map(|_| timestamp::whole_milliseconds(now)),
        target: job.target.image.to_string(),
        platform: job.platforms.to_string(),
        expected_digest: expected,
        attempts: job.attempt,
        bytes_copied: work.bytes_copied,
        blobs,
        would_copy,
        note,
        attestations_left_out,
        artifacts,
    }
}
