//! What becomes of a job after an attempt: decided here, carried out in `publish`.

use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, Reaction, Side};
use image_sync_shared::job::Job;
use image_sync_shared::outcome::{Action, ImageResult, JobResult, Work};
use image_sync_shared::ports::clock::later;
use image_sync_shared::ports::dead_letters::DeadLetter;
use image_sync_shared::retry::RetryPolicy;
use image_sync_shared::run::RunEvent;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::account::Account;
use crate::settings::WorkerSettings;

/// How long a host is left alone that answers 429 without saying for how long.
const UNSTATED_PAUSE: RetryPolicy = RetryPolicy {
    attempts: u32::MAX,
    initial: Duration::from_secs(2),
    max: Duration::from_secs(300),
};
const SHORTEST_UNSTATED_PAUSE: Duration = Duration::from_secs(1);
/// A hundred years: a pause is as long as the registry says, but a date must still come out of it.
const END_OF_TIME: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// What was done, or why nothing was.
    pub(crate) outcome: Result<Action, Failure>,
    /// What was found on the way.
    pub(crate) account: Account,
    /// How long it took, with all attempts before.
    pub(crate) duration: Duration,
}

impl Ended {
    /// What all attempts did.
    fn work(&self) -> Work {
        Work {
            duration_ms: u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
            bytes_copied: self.account.bytes_copied,
            copied: self.account.blobs.copied,
            mounted: self.account.blobs.mounted,
        }
    }
}

/// What becomes of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// Nothing: its run was cancelled.
    Drop,
    /// It has its result. A failed one is kept as a dead letter besides.
    Finish {
        /// The result.
        result: Box<JobResult>,
        /// The dead letter.
        letter: Option<Box<DeadLetter>>,
    },
    /// Another attempt follows.
    Requeue {
        /// The job for it.
        successor: Box<Job>,
        /// The failed attempt, for the run's log.
        event: RunEvent,
    },
    /// It is put back, no attempt counted.
    Defer {
        /// The job as it is put back.
        successor: Box<Job>,
        /// What the run's log is told of it.
        event: Option<RunEvent>,
        /// The host that is to be left alone.
        pause: Option<Pause>,
        /// Why.
        why: String,
    },
}

impl Settlement {
    /// Whether the job comes again.
    pub(crate) fn puts_back(&self) -> bool {
        matches!(self, Self::Requeue { .. } | Self::Defer { .. })
    }
}

/// A host that is to be left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// The host.
    pub(crate) host: String,
    /// Until when.
    pub(crate) until: OffsetDateTime,
    /// What it answered.
    pub(crate) reason: String,
}

/// A host of a job that is left alone at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paused<'a> {
    /// Which side's.
    pub(crate) side: Side,
    /// The host.
    pub(crate) host: &'a str,
    /// Until when.
    pub(crate) until: OffsetDateTime,
}

/// Whether a job is to be worked at all: no settlement means that it is. Of being put back so it tells once: at each pause of a
/// host a whole catalog may be.
pub(crate) fn before_work(
    job: &Job,
    cancelled: bool,
    paused: &[Paused<'_>],
    settings: &WorkerSettings,
) -> Option<Settlement> {
    if cancelled {
        return Some(Settlement::Drop);
    }
    let Paused { side, host, until } = paused.iter().max_by_key(|paused| paused.until)?;
    let why = format!(
        "{side}: {host} answered 429 and is left alone until {}",
        in_seconds(*until)
    );
    Some(Settlement::Defer {
        successor: Box::new(job.deferred(later(*until, spread(settings.pause_spread)))),
        event: (job.defers == 0).then(|| put_back(job, &why)),
        pause: None,
        why,
    })
}

/// What becomes of a job after an attempt. Pure but for the spread of the waits.
pub(crate) fn after_work(
    job: &Job,
    ended: Ended,
    cancelled: bool,
    settings: &WorkerSettings,
    now: OffsetDateTime,
) -> Settlement {
    let failure = match &ended.outcome {
        Ok(_) => return finish(job, ended, settings, now),
        Err(_) if cancelled => return Settlement::Drop,
        Err(failure) => failure.clone(),
    };
    let worked = Job {
        so_far: ended.work(),
        ..job.clone()
    };
    match failure.class.reaction() {
        Reaction::Retry if settings.retry.allows_another(job.attempt) => Settlement::Requeue {
            event: RunEvent::Attempt {
                idx: job.idx,
                attempt: job.attempt,
                defers: job.defers,
                error: failure.to_string(),
            },
            successor: Box::new(worked.after_attempt(
                now,
                failure,
                settings.retry.delay(job.attempt),
            )),
        },
        Reaction::Fail | Reaction::Retry => finish(job, ended, settings, now),
        Reaction::Pause(retry_after) => pause(&worked, &failure, retry_after, settings, now),
        Reaction::PutBack => Settlement::Defer {
            successor: Box::new(worked.deferred(later(now, put_back_for(failure.class, settings)))),
            event: Some(put_back(job, &failure.to_string())),
            pause: None,
            why: failure.to_string(),
        },
    }
}

fn pause(
    job: &Job,
    failure: &Failure,
    retry_after: Option<Duration>,
    settings: &WorkerSettings,
    now: OffsetDateTime,
) -> Settlement {
    let unstated = || {
        UNSTATED_PAUSE
            .delay(job.defers.saturating_add(1))
            .max(SHORTEST_UNSTATED_PAUSE)
    };
    let until = later(now, retry_after.unwrap_or_else(unstated).min(END_OF_TIME));
    let place = match failure.side {
        Side::Source => &job.source,
        Side::Target => &job.target,
    };
    let pause = place.image.repository.host().map(|host| Pause {
        host: host.to_owned(),
        until,
        reason: failure.to_string(),
    });
    let why = format!("{failure}; left alone until {}", in_seconds(until));
    Settlement::Defer {
        successor: Box::new(job.deferred(later(until, spread(settings.pause_spread)))),
        event: Some(put_back(job, &why)),
        pause,
        why,
    }
}

fn put_back(job: &Job, why: &str) -> RunEvent {
    RunEvent::Attempt {
        idx: job.idx,
        attempt: job.attempt.saturating_sub(1),
        defers: job.defers.saturating_add(1),
        error: why.to_owned(),
    }
}

/// A time as people read it.
pub(crate) fn in_seconds(time: OffsetDateTime) -> String {
    let time = time.truncate_to_second();
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

/// A worker that was told to stop hands its job to the next one at once; a target that another worker writes takes a while.
fn put_back_for(class: FailureClass, settings: &WorkerSettings) -> Duration {
    match class {
        FailureClass::Interrupted => Duration::ZERO,
        _ => settings.busy_wait + spread(settings.busy_wait),
    }
}

/// Some part of `over`.
fn spread(over: Duration) -> Duration {
    RetryPolicy {
        attempts: 1,
        initial: over,
        max: over,
    }
    .delay(1)
}

fn finish(job: &Job, ended: Ended, settings: &WorkerSettings, now: OffsetDateTime) -> Settlement {
    let failure = ended.outcome.as_ref().err();
    let error = failure.map(|failure| match job.attempt {
        1 => failure.to_string(),
        attempts => format!("{failure} (attempt {attempts})"),
    });
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
            worker: settings.name.clone(),
            class,
            mac: job.mac,
            entry: entry(job, ended, error),
        }),
        letter,
    }
}

fn entry(job: &Job, ended: Ended, error: Option<String>) -> ImageResult {
    let work = ended.work();
    let blobs = ended.account.each_blob();
    let Account {
        remote,
        cached,
        expected,
        would_copy,
        ..
    } = ended.account;
    ImageResult {
        image: job.image.clone(),
        tag: job.tag.clone(),
        action: ended.outcome.unwrap_or(Action::Failed),
        remote_digest: remote,
        cached_digest: cached,
        duration_ms: work.duration_ms,
        error,
        target: job.target.image.to_string(),
        platform: job.platforms.to_string(),
        expected_digest: expected,
        attempts: job.attempt,
        bytes_copied: work.bytes_copied,
        blobs,
        would_copy,
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::failure::Step;
    use time::macros::datetime;

    use super::*;
    use crate::testing::job;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    fn failed(side: Side, class: FailureClass) -> Ended {
        Ended {
            outcome: Err(Failure::new(side, Step::Check, "t", class, "no")),
            account: Account::default(),
            duration: Duration::from_millis(7),
        }
    }

    fn settings() -> WorkerSettings {
        WorkerSettings::new("w1", 1)
    }

    fn after(job: &Job, class: FailureClass) -> Settlement {
        after_work(job, failed(Side::Source, class), false, &settings(), NOW)
    }

    fn app() -> Job {
        job("source.test/app:1", "cache.test/app:1")
    }

    fn deferred(settlement: Settlement) -> (Job, Option<Pause>) {
        match settlement {
            Settlement::Defer {
                successor, pause, ..
            } => (*successor, pause),
            other => panic!("not deferred: {other:?}"),
        }
    }

    #[test]
    fn what_may_pass_gets_another_attempt_until_they_are_used_up() {
        let mut job = app();
        for attempt in 1..4 {
            let Settlement::Requeue { successor, event } = after(&job, FailureClass::Timeout)
            else {
                panic!("attempt {attempt} was the last");
            };
            assert!(matches!(event, RunEvent::Attempt { attempt: told, .. } if told == attempt));
            assert_eq!(successor.attempt, attempt + 1);
            let longest = settings().retry.initial * 2_u32.pow(attempt - 1);
            assert!(successor.not_before.unwrap() <= NOW + longest);
            job = *successor;
        }
        let Settlement::Finish { result, letter } = after(&job, FailureClass::Timeout) else {
            panic!("a fifth attempt");
        };
        assert_eq!(result.class, Some(FailureClass::Timeout));
        assert_eq!((result.entry.attempts, result.entry.duration_ms), (4, 7));
        assert_eq!(letter.unwrap().job, Some(job));
    }

    #[test]
    fn a_429_pauses_the_host_of_the_side_that_gave_it() {
        let class = FailureClass::RateLimited {
            retry_after_ms: Some(3_600_000),
        };
        for (side, host) in [(Side::Source, "source.test"), (Side::Target, "cache.test")] {
            let settlement = after_work(&app(), failed(side, class), false, &settings(), NOW);
            let (successor, pause) = deferred(settlement);
            let pause = pause.unwrap();
            let until = NOW + Duration::from_secs(3600);
            assert_eq!((pause.host.as_str(), pause.until), (host, until));
            assert_eq!((successor.attempt, successor.defers), (1, 1));
            let due = successor.not_before.unwrap();
            assert!(until <= due && due <= until + settings().pause_spread);
        }
    }

    #[test]
    fn a_pause_is_as_long_as_it_was_asked_for_but_remains_a_date() {
        let class = FailureClass::RateLimited {
            retry_after_ms: Some(u64::MAX),
        };
        let (_, pause) = deferred(after(&app(), class));
        assert!(pause.unwrap().until.year() > 2100);
    }

    #[test]
    fn no_number_and_no_date_of_a_message_breaks_what_is_made_of_it() {
        let job = Job {
            attempt: 0,
            defers: u32::MAX,
            ..app()
        };
        let paused = Paused {
            side: Side::Source,
            host: "source.test",
            until: datetime!(9999-12-31 23:59:59.999 UTC),
        };
        let (successor, _) = deferred(before_work(&job, false, &[paused], &settings()).unwrap());
        assert_eq!(successor.not_before.unwrap().year(), 9999);
        for class in [
            FailureClass::RateLimited {
                retry_after_ms: None,
            },
            FailureClass::LeaseLost,
            FailureClass::Timeout,
            FailureClass::Denied,
        ] {
            let ended = Ended {
                duration: Duration::MAX,
                ..failed(Side::Source, class)
            };
            let last = datetime!(9999-12-31 23:59:59.999 UTC);
            let settlement = after_work(&job, ended, false, &settings(), last);
            assert_ne!(settlement, Settlement::Drop);
        }
    }

    #[test]
    fn an_unstated_pause_grows_with_the_defers() {
        let class = FailureClass::RateLimited {
            retry_after_ms: None,
        };
        let longest = |defers| {
            let job = Job { defers, ..app() };
            let pauses = (0..500).map(|_| deferred(after(&job, class)).1.unwrap().until - NOW);
            let pauses: Vec<_> = pauses.collect();
            let shortest = pauses.iter().min().unwrap();
            assert!(*shortest >= SHORTEST_UNSTATED_PAUSE);
            *pauses.iter().max().unwrap()
        };
        assert!(longest(0) <= Duration::from_secs(2));
        assert!(longest(5) > Duration::from_secs(30));
        assert!(longest(50) <= Duration::from_secs(300));
    }

    #[test]
    fn putting_back_costs_no_attempt() {
        let (interrupted, pause) = deferred(after(&app(), FailureClass::Interrupted));
        assert_eq!((interrupted.not_before, pause), (Some(NOW), None));
        let (busy, _) = deferred(after(&app(), FailureClass::LeaseLost));
        let wait = busy.not_before.unwrap() - NOW;
        assert!(wait >= settings().busy_wait && wait <= settings().busy_wait * 2);
        assert_eq!((busy.attempt, busy.defers), (1, 1));
    }

    #[test]
    fn a_cancelled_run_gets_no_more_failures_but_keeps_what_was_done() {
        let settings = settings();
        let denied = failed(Side::Target, FailureClass::Denied);
        let dropped = after_work(&app(), denied.clone(), true, &settings, NOW);
        assert_eq!(dropped, Settlement::Drop);
        let done = Ended {
            outcome: Ok(Action::Pulled),
            ..denied
        };
        let finished = after_work(&app(), done, true, &settings, NOW);
        assert!(matches!(finished, Settlement::Finish { letter: None, .. }));
    }

    fn told(settlement: Settlement) -> Option<RunEvent> {
        match settlement {
            Settlement::Defer { event, .. } => event,
            other => panic!("not deferred: {other:?}"),
        }
    }

    #[test]
    fn the_log_is_told_of_each_attempt_that_is_put_back() {
        let class = FailureClass::RateLimited {
            retry_after_ms: Some(3_600_000),
        };
        let job = Job {
            attempt: 3,
            defers: 4,
            ..app()
        };
        let event = |error: &str| RunEvent::Attempt {
            idx: 0,
            attempt: 2,
            defers: 5,
            error: error.to_owned(),
        };
        assert_eq!(
            told(after(&job, class)),
            Some(event(
                "source: check t: no; left alone until 2026-11-20T13:00:00Z"
            ))
        );
        assert_eq!(
            told(after(&job, FailureClass::Interrupted)),
            Some(event("source: check t: no"))
        );
    }

    #[test]
    fn the_log_is_told_once_that_a_job_is_not_begun() {
        let one = [paused(Side::Target, NOW)];
        let of = |job| told(before_work(&job, false, &one, &settings()).unwrap());
        let Some(RunEvent::Attempt { attempt, error, .. }) = of(app()) else {
            panic!("nothing was told");
        };
        assert_eq!(attempt, 0);
        assert_eq!(
            error,
            "target: cache.test answered 429 and is left alone until 2026-11-20T12:00:00Z"
        );
        assert_eq!(of(app().deferred(NOW)), None);
    }

    fn paused(side: Side, until: OffsetDateTime) -> Paused<'static> {
        let host = match side {
            Side::Source => "source.test",
            Side::Target => "cache.test",
        };
        Paused { side, host, until }
    }

    #[test]
    fn jobs_of_cancelled_runs_and_paused_hosts_are_not_worked() {
        let settings = settings();
        let soon = NOW + Duration::from_secs(5);
        let later = NOW + Duration::from_secs(50);
        assert_eq!(before_work(&app(), false, &[], &settings), None);
        assert_eq!(
            before_work(&app(), true, &[paused(Side::Source, soon)], &settings),
            Some(Settlement::Drop)
        );
        let both = [paused(Side::Source, soon), paused(Side::Target, later)];
        let settlement = before_work(&app(), false, &both, &settings);
        let (successor, pause) = deferred(settlement.unwrap());
        assert!(successor.not_before.unwrap() >= later && pause.is_none());
        assert_eq!((successor.attempt, successor.defers), (1, 1));
    }
}
