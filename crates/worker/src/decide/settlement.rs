//! What becomes of a job after an attempt: decided here, carried out in `run_loop::settle`.

mod decision;

use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, Reaction, Side, Step};
use image_sync_shared::ports::clock::later;
use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::retry::RetryPolicy;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::{Action, JobResult, Work};
use image_sync_shared::run::{RunEvent, Trigger};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::decide::tally::Tally;
use decision::{Decision, place, put_back, spread, too_late};

/// How often the time doubles for which a job is put back that had no share of the slots.
const MOST_DOUBLINGS: u32 = 4;

/// How a worker settles jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SettlementPolicy<'a> {
    /// The worker, as its results tell it.
    pub(crate) worker: &'a str,
    /// Attempts at a job, and the waits between them.
    pub(crate) retry: RetryPolicy,
    /// The shortest time that a job is put back for when another worker holds its target; spread up to twice as long.
    pub(crate) busy_wait: Duration,
    /// How long a host that answered 429 is left alone at most.
    pub(crate) max_pause: Duration,
    /// Over how long the jobs of a paused host are spread once its pause is over.
    pub(crate) pause_spread: Duration,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttemptOutcome {
    /// What was done, or why nothing was.
    pub(crate) outcome: Result<Action, Failure>,
    /// What was found on the way.
    pub(crate) tally: Tally,
    /// When the first attempt began; nothing where none did.
    pub(crate) started_at: Option<OffsetDateTime>,
    /// How long it took, with all attempts before.
    pub(crate) duration: Duration,
}

impl AttemptOutcome {
    /// The end of a job without an attempt.
    pub(crate) fn unworked(job: &Job, failure: Failure) -> Self {
        Self {
            outcome: Err(failure),
            tally: Tally::starting_with(&job.so_far),
            started_at: job.so_far.started_at,
            duration: Duration::from_millis(job.so_far.duration_ms),
        }
    }

    /// What all attempts did.
    fn work(&self) -> Work {
        Work {
            duration_ms: u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
            bytes_copied: self.tally.bytes_sent(),
            copied: self.tally.blobs.copied,
            mounted: self.tally.blobs.mounted,
            artifacts: self.tally.artifacts_copied(),
            started_at: self.started_at,
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
        /// The host that is to be left alone, beyond the end of the job's run.
        pause: Option<HostPause>,
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
        pause: Option<HostPause>,
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
pub(crate) struct HostPause {
    /// The host.
    pub(crate) host: String,
    /// Until when.
    pub(crate) until: OffsetDateTime,
    /// What it answered.
    pub(crate) reason: String,
    /// How long a pause may be at most.
    pub(crate) longest: Duration,
}

/// A host of a job that is left alone at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PausedHost<'a> {
    /// Which side's.
    pub(crate) side: Side,
    /// The host.
    pub(crate) host: &'a str,
    /// Until when.
    pub(crate) until: OffsetDateTime,
}

/// Whether a job does not wait for the end of pauses: one by hand asks each host once more.
pub(crate) fn tries_paused_hosts(job: &Job) -> bool {
    job.trigger == Trigger::Enqueue && (job.attempt, job.defers) == (1, 0)
}

/// Whether a job is to be worked at all: no settlement means that it is. Of being put back so it tells once: at each pause of a
/// host a whole catalog may be.
pub(crate) fn before_attempt(
    job: &Job,
    cancelled: bool,
    paused: &[PausedHost<'_>],
    policy: &SettlementPolicy<'_>,
    now: OffsetDateTime,
) -> Option<Settlement> {
    if cancelled {
        return Some(Settlement::Drop);
    }
    // The later one decides where both are paused: a copy needs both.
    let PausedHost { side, host, until } = paused.iter().max_by_key(|paused| paused.until)?;
    let why = format!(
        "answered 429 or 503 and is left alone until {}",
        rfc3339(*until)
    );
    let class = FailureClass::RateLimited {
        retry_after_ms: None,
    };
    // Spread, as a whole catalog may wait for this one moment.
    let due = later(*until, spread(policy.pause_spread));
    let decision = Decision { job, policy, now };
    Some(put_off(&decision, *side, host, (class, &why), due))
}

/// What becomes of a job whose target's host has its share of this worker's slots in use for long: it comes again, later each
/// time, so that the jobs of other targets come before it.
pub(crate) fn without_share(
    job: &Job,
    host: &str,
    policy: &SettlementPolicy<'_>,
    now: OffsetDateTime,
) -> Settlement {
    let doublings = job.defers.min(MOST_DOUBLINGS);
    let wait = policy.busy_wait * 2_u32.pow(doublings);
    let due = later(now, wait + spread(wait));
    let why = "is slow: its share of this worker's slots is in use";
    let decision = Decision { job, policy, now };
    put_off(
        &decision,
        Side::Target,
        host,
        (FailureClass::Timeout, why),
        due,
    )
}

/// Puts a job back that was not begun, until `due`, as `host` is as `why` says. Later than its run's deadline it fails at once.
fn put_off(
    decision: &Decision<'_>,
    side: Side,
    host: &str,
    (class, why): (FailureClass, &str),
    due: OffsetDateTime,
) -> Settlement {
    let job = decision.job;
    if let Some(deadline) = decision.missed_deadline(due) {
        let failure = Failure::new(side, Step::Check, &place(job, side).image, class, host);
        let failure = too_late(failure, " ", why, deadline);
        return decision.finish(AttemptOutcome::unworked(job, failure), None);
    }
    let why = format!("{side}: {host} {why}");
    Settlement::Defer {
        successor: Box::new(job.deferred(due)),
        event: (job.defers == 0).then(|| put_back(job, &why)),
        pause: None,
        why,
    }
}

/// What becomes of a job after an attempt. Pure but for the spread of the waits.
pub(crate) fn after_attempt(
    job: &Job,
    ended: AttemptOutcome,
    cancelled: bool,
    policy: &SettlementPolicy<'_>,
    now: OffsetDateTime,
) -> Settlement {
    let decision = Decision { job, policy, now };
    let failure = match &ended.outcome {
        // Also where the run was cancelled meanwhile: what was in hand is finished, and the work is at the target.
        Ok(_) => return decision.finish(ended, None),
        // There is nobody to make another attempt for.
        Err(_) if cancelled => return Settlement::Drop,
        Err(failure) => failure.clone(),
    };
    match reaction(job, &failure) {
        Reaction::Retry if policy.retry.allows_another(job.attempt) => {
            decision.retry(ended, failure)
        }
        Reaction::Fail | Reaction::Retry => decision.finish(ended, None),
        Reaction::Pause(retry_after) => decision.pause(ended, failure, retry_after, false),
        Reaction::PauseAndRetry(wait) => decision.pause(ended, failure, Some(wait), true),
        Reaction::PutBack => decision.put_back(ended, failure),
    }
}

/// What follows from a failure. A registry that told of a push a moment ago may not show it everywhere yet.
fn reaction(job: &Job, failure: &Failure) -> Reaction {
    let was_told = job.trigger == Trigger::Webhook && failure.side == Side::Source;
    match failure.class {
        FailureClass::NotFound if was_told => Reaction::Retry,
        class => class.reaction(),
    }
}

/// A time as people read it.
pub(crate) fn rfc3339(time: OffsetDateTime) -> String {
    let time = time.truncate_to_second();
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::decision::SHORTEST_UNSTATED_PAUSE;
    use super::*;
    use crate::tests::job;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    fn failed(side: Side, class: FailureClass) -> AttemptOutcome {
        AttemptOutcome {
            outcome: Err(Failure::new(side, Step::Check, "t", class, "no")),
            tally: Tally::default(),
            duration: Duration::from_millis(7),
            started_at: None,
        }
    }

    fn policy() -> SettlementPolicy<'static> {
        SettlementPolicy {
            worker: "w1",
            retry: RetryPolicy::default(),
            busy_wait: Duration::from_secs(15),
            max_pause: Duration::from_secs(15 * 60),
            pause_spread: Duration::from_secs(2),
        }
    }

    fn after(job: &Job, class: FailureClass) -> Settlement {
        after_attempt(job, failed(Side::Source, class), false, &policy(), NOW)
    }

    fn app() -> Job {
        job("source.test/app:1", "cache.test/app:1")
    }

    fn deferred(settlement: Settlement) -> (Job, Option<HostPause>) {
        match settlement {
            Settlement::Defer {
                successor, pause, ..
            } => (*successor, pause),
            other => panic!("not deferred: {other:?}"),
        }
    }

    #[test]
    fn a_transient_failure_is_retried_with_backoff_until_the_attempts_are_used_up() {
        let mut job = app();
        for attempt in 1..4 {
            let Settlement::Requeue { successor, event } = after(&job, FailureClass::Timeout)
            else {
                panic!("attempt {attempt} was the last");
            };
            assert!(matches!(event, RunEvent::Attempt { attempt: told, .. } if told == attempt));
            assert_eq!(successor.attempt, attempt + 1);
            let longest = policy().retry.initial * 2_u32.pow(attempt - 1);
            assert!(successor.not_before.unwrap() <= NOW + longest);
            job = *successor;
        }
        let Settlement::Finish { result, letter, .. } = after(&job, FailureClass::Timeout) else {
            panic!("a fifth attempt");
        };
        assert_eq!(result.class, Some(FailureClass::Timeout));
        assert_eq!((result.entry.attempts, result.entry.duration_ms), (4, 7));
        assert_eq!(letter.unwrap().job, Some(job));
    }

    #[test]
    fn a_503_with_retry_after_pauses_its_host_and_counts_as_an_attempt() {
        let class = FailureClass::Overloaded {
            retry_after_ms: 20_000,
        };
        let mut job = app();
        let mut now = NOW;
        for attempt in 1..=policy().retry.attempts {
            let ended = failed(Side::Source, class);
            let settlement = after_attempt(&job, ended, false, &policy(), now);
            let until = now + Duration::from_secs(20);
            let paused = match settlement {
                Settlement::Defer {
                    successor,
                    event: Some(RunEvent::Attempt { attempt: told, .. }),
                    pause,
                    ..
                } => {
                    assert_eq!((told, successor.attempt), (attempt, attempt + 1));
                    assert_eq!(successor.defers, 0);
                    let due = successor.not_before.unwrap();
                    assert!(until <= due && due <= until + policy().pause_spread);
                    (job, now) = (*successor, due);
                    pause
                }
                Settlement::Finish { result, pause, .. } => {
                    assert_eq!(attempt, policy().retry.attempts);
                    assert_eq!(result.entry.attempts, attempt);
                    pause
                }
                other => panic!("neither tried again nor ended: {other:?}"),
            };
            let pause = paused.unwrap();
            assert_eq!((pause.host.as_str(), pause.until), ("source.test", until));
        }
    }

    #[test]
    fn a_429_pauses_the_host_of_the_side_that_gave_it() {
        let class = FailureClass::RateLimited {
            retry_after_ms: Some(3_600_000),
        };
        for (side, host) in [(Side::Source, "source.test"), (Side::Target, "cache.test")] {
            let settlement = after_attempt(&app(), failed(side, class), false, &policy(), NOW);
            let (successor, pause) = deferred(settlement);
            let pause = pause.unwrap();
            let until = NOW + policy().max_pause;
            assert_eq!((pause.host.as_str(), pause.until), (host, until));
            assert_eq!((successor.attempt, successor.defers), (1, 1));
            let due = successor.not_before.unwrap();
            assert!(until <= due && due <= until + policy().pause_spread);
        }
    }

    #[test]
    fn a_pause_is_as_long_as_its_retry_after_and_no_longer_than_max_pause() {
        let fifteen_minutes = 15 * 60 * 1000;
        for (retry_after_ms, pause_ms) in [
            (1, 1),
            (fifteen_minutes - 1, fifteen_minutes - 1),
            (fifteen_minutes + 1, fifteen_minutes),
            (86_400_000, fifteen_minutes),
            (u64::MAX, fifteen_minutes),
        ] {
            let class = limited(Some(retry_after_ms));
            let (successor, pause) = deferred(after(&app(), class));
            let until = NOW + Duration::from_millis(pause_ms);
            assert_eq!(pause.unwrap().until, until, "{retry_after_ms}");
            assert!(successor.not_before.unwrap() <= until + policy().pause_spread);
        }
    }

    fn limited(retry_after_ms: Option<u64>) -> FailureClass {
        FailureClass::RateLimited { retry_after_ms }
    }

    /// A job whose run has so long to go.
    fn due_within(time: Duration) -> Job {
        Job {
            deadline_at: Some(NOW + time),
            ..app()
        }
    }

    fn failed_late(settlement: Settlement) -> (String, Option<HostPause>) {
        match settlement {
            Settlement::Finish { result, pause, .. } => (result.entry.error.unwrap(), pause),
            other => panic!("not failed: {other:?}"),
        }
    }

    #[test]
    fn an_image_whose_pause_outlasts_the_deadline_of_its_run_fails_then_and_its_host_is_paused() {
        let class = limited(Some(3_600_000));
        let (error, pause) = failed_late(after(&due_within(Duration::from_secs(12)), class));
        assert_eq!(
            error,
            "source: check t: no; left alone until 2026-11-20T12:15:00Z, too late for the run's deadline \
             2026-11-20T12:00:12Z"
        );
        let until = NOW + policy().max_pause;
        assert_eq!(pause.unwrap().until, until);
        let soon = limited(Some(1_000));
        let (successor, _) = deferred(after(&due_within(Duration::from_secs(12)), soon));
        assert!(successor.not_before.unwrap() < NOW + Duration::from_secs(12));
    }

    #[test]
    fn an_image_whose_host_is_paused_beyond_the_deadline_of_its_run_fails_before_it_is_begun() {
        let job = due_within(Duration::from_secs(12));
        let before = |until| {
            let one = [paused(Side::Source, until)];
            before_attempt(&job, false, &one, &policy(), NOW).unwrap()
        };
        let (error, pause) = failed_late(before(NOW + Duration::from_secs(60)));
        assert_eq!(
            error,
            "source: check source.test/app:1: source.test answered 429 or 503 and is left alone until 2026-11-20T12:01:00Z, \
             too late for the run's deadline 2026-11-20T12:00:12Z"
        );
        assert_eq!(pause, None);
        deferred(before(NOW + Duration::from_secs(5)));
    }

    #[test]
    fn a_retry_that_would_begin_after_the_deadline_is_not_waited_for() {
        let mut policy = policy();
        policy.busy_wait = Duration::from_secs(15);
        let job = due_within(Duration::from_nanos(1));
        for class in [FailureClass::Unavailable, FailureClass::LeaseLost] {
            let settlement = after_attempt(&job, failed(Side::Source, class), false, &policy, NOW);
            let (error, _) = failed_late(settlement);
            let start = "source: check t: no; the next attempt would begin at 2026-11-20T12:00:";
            assert!(error.starts_with(start), "{error}");
            assert!(
                error.ends_with("too late for the run's deadline 2026-11-20T12:00:00Z"),
                "{error}"
            );
        }
        // A worker that must end leaves the job to others, who may still make it.
        deferred(after(&job, FailureClass::Interrupted));
    }

    #[test]
    fn a_deadline_that_is_over_by_this_clock_and_one_that_is_far_away_change_nothing() {
        let end_of_time = datetime!(9999-12-31 23:59:59 UTC);
        for deadline in [NOW - Duration::from_secs(60), NOW, end_of_time] {
            let job = Job {
                deadline_at: Some(deadline),
                ..app()
            };
            deferred(after(&job, limited(Some(u64::MAX))));
            deferred(after(&job, FailureClass::LeaseLost));
            let again = after(&job, FailureClass::Timeout);
            assert!(matches!(again, Settlement::Requeue { .. }), "{again:?}");
        }
    }

    #[test]
    fn a_job_by_hand_asks_a_paused_host_once_and_all_others_wait() {
        let by_hand = Job {
            trigger: Trigger::Enqueue,
            ..app()
        };
        assert!(tries_paused_hosts(&by_hand));
        assert!(!tries_paused_hosts(&by_hand.deferred(NOW)));
        for trigger in [Trigger::Schedule, Trigger::Webhook, Trigger::Replay] {
            assert!(
                !tries_paused_hosts(&Job { trigger, ..app() }),
                "{trigger:?}"
            );
        }
    }

    #[test]
    fn no_number_and_no_date_of_a_message_breaks_what_is_made_of_it() {
        let job = Job {
            attempt: 0,
            defers: u32::MAX,
            ..app()
        };
        let paused = PausedHost {
            side: Side::Source,
            host: "source.test",
            until: datetime!(9999-12-31 23:59:59.999 UTC),
        };
        let (successor, _) =
            deferred(before_attempt(&job, false, &[paused], &policy(), NOW).unwrap());
        assert_eq!(successor.not_before.unwrap().year(), 9999);
        for class in [
            FailureClass::RateLimited {
                retry_after_ms: None,
            },
            FailureClass::LeaseLost,
            FailureClass::Timeout,
            FailureClass::Denied,
        ] {
            let ended = AttemptOutcome {
                duration: Duration::MAX,
                ..failed(Side::Source, class)
            };
            let last = datetime!(9999-12-31 23:59:59.999 UTC);
            let settlement = after_attempt(&job, ended, false, &policy(), last);
            assert_ne!(settlement, Settlement::Drop);
        }
    }

    #[test]
    fn a_429_without_retry_after_pauses_with_exponential_backoff() {
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
        assert!(wait >= policy().busy_wait && wait <= policy().busy_wait * 2);
        assert_eq!((busy.attempt, busy.defers), (1, 1));
    }

    #[test]
    fn a_cancelled_run_gets_no_more_failures_but_keeps_what_was_done() {
        let policy = policy();
        let denied = failed(Side::Target, FailureClass::Denied);
        let dropped = after_attempt(&app(), denied.clone(), true, &policy, NOW);
        assert_eq!(dropped, Settlement::Drop);
        let done = AttemptOutcome {
            outcome: Ok(Action::Pulled),
            ..denied
        };
        let finished = after_attempt(&app(), done, true, &policy, NOW);
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
            due: None,
            bytes_copied: 0,
        };
        assert_eq!(
            told(after(&job, class)),
            Some(event(
                "source: check t: no; left alone until 2026-11-20T12:15:00Z"
            ))
        );
        assert_eq!(
            told(after(&job, FailureClass::Interrupted)),
            Some(event("no"))
        );
    }

    #[test]
    fn the_log_is_told_once_that_a_job_is_not_begun() {
        let one = [paused(Side::Target, NOW)];
        let of = |job| told(before_attempt(&job, false, &one, &policy(), NOW).unwrap());
        let Some(RunEvent::Attempt { attempt, error, .. }) = of(app()) else {
            panic!("nothing was told");
        };
        assert_eq!(attempt, 0);
        assert_eq!(
            error,
            "target: cache.test answered 429 or 503 and is left alone until 2026-11-20T12:00:00Z"
        );
        assert_eq!(of(app().deferred(NOW)), None);
    }

    fn paused(side: Side, until: OffsetDateTime) -> PausedHost<'static> {
        let host = match side {
            Side::Source => "source.test",
            Side::Target => "cache.test",
        };
        PausedHost { side, host, until }
    }

    #[test]
    fn jobs_of_cancelled_runs_and_paused_hosts_are_not_worked() {
        let policy = policy();
        let soon = NOW + Duration::from_secs(5);
        let later = NOW + Duration::from_secs(50);
        assert_eq!(before_attempt(&app(), false, &[], &policy, NOW), None);
        assert_eq!(
            before_attempt(&app(), true, &[paused(Side::Source, soon)], &policy, NOW),
            Some(Settlement::Drop)
        );
        let both = [paused(Side::Source, soon), paused(Side::Target, later)];
        let settlement = before_attempt(&app(), false, &both, &policy, NOW);
        let (successor, pause) = deferred(settlement.unwrap());
        assert!(successor.not_before.unwrap() >= later && pause.is_none());
        assert_eq!((successor.attempt, successor.defers), (1, 1));
    }

    #[test]
    fn a_job_of_an_event_is_put_back_for_a_shorter_time_where_its_target_is_busy() {
        for (trigger, shortest) in [(Trigger::Schedule, 15), (Trigger::Webhook, 3)] {
            let job = Job { trigger, ..app() };
            let (successor, _) = deferred(after(&job, FailureClass::LeaseLost));
            let due = successor.not_before.unwrap() - NOW;
            assert!(due >= Duration::from_secs(shortest), "{trigger:?}: {due}");
            assert!(
                due <= Duration::from_secs(2 * shortest),
                "{trigger:?}: {due}"
            );
        }
    }
}
