//! One delivery, from its first check to its settlement.

use std::pin::pin;
use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, INTERRUPTED, Side, Step};
use image_sync_shared::ports::queue::host_pauses::HostPauses;
use image_sync_shared::ports::queue::job_queue::{Delivery, Settle};
use image_sync_shared::ports::telemetry::measures::Measures;
use image_sync_shared::run::Trigger;
use image_sync_shared::run::job::Job;
use image_sync_shared::text::timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, info_span, warn};

use crate::context::WorkerContext;
use crate::context::half_open::HalfOpen;
use crate::context::in_flight::InFlight;
use crate::context::lease_guard::LeaseGuard;
use crate::context::retry;
use crate::context::target_shares::Shared;
use crate::context::time_limit::TimeLimit;
use crate::decide::settlement::{self, AttemptOutcome, PausedHost, Settlement};
use crate::decide::tally::SharedTally;
use crate::run_loop::settle::{settle_delivery, with_heartbeats};
use crate::transfer::check_and_copy::Attempt;
use crate::transfer::requests::Requests;

/// Works a delivery and settles it.
pub(crate) async fn process(
    context: &WorkerContext,
    delivery: Delivery,
    abort: &CancellationToken,
) {
    let job = &delivery.job;
    // A trace of its own, as that of a run would have all of its images.
    let span = info_span!(
        parent: None,
        "job",
        run_id = %job.run_id,
        job = job.idx,
        image = %job.image,
        tag = %job.tag,
        target = %job.target.image,
        attempt = job.attempt,
        worker = %context.settings.name,
    );
    let ports = &context.ports;
    ports.traces.link(&span, &job.trace);
    let late = ports.clock.now() - job.not_before.unwrap_or(job.first_enqueued_at);
    let late = Duration::try_from(late).unwrap_or_default();
    ports.measures.job_delivered(delivery.lane, late);
    let _slot = BusySlot::take(ports.measures.as_ref());
    process_in_span(context, delivery, abort)
        .instrument(span)
        .await;
}

async fn process_in_span(context: &WorkerContext, delivery: Delivery, abort: &CancellationToken) {
    let Delivery {
        job,
        deliveries,
        settle,
        ..
    } = delivery;
    if deliveries > 1 {
        warn!(deliveries, "delivered again: its last worker lost it");
    }
    let (ports, policy) = (&context.ports, context.settings.settlement_policy());
    let settlement = match context.settings.admission.admit(&job) {
        Ok(admitted) => process_admitted(context, &job, &admitted, settle.as_ref(), abort).await,
        // Settled as an attempt that failed: it has a result and a dead letter then, and its run does not wait.
        Err(refusal) => {
            let (cancelled, now) = (ports.runs.is_cancelled(&job.run_id), ports.clock.now());
            let unworked = AttemptOutcome::unworked(&job, refusal);
            settlement::after_attempt(&job, unworked, cancelled, &policy, now)
        }
    };
    let every = context.settings.heartbeat;
    let settled = settle_delivery(ports, &job, settle.as_ref(), settlement);
    with_heartbeats(settle.as_ref(), every, settled).await;
}

/// Works `admitted`, which is `job` as this worker may work it. What is put back is the job as it came.
async fn process_admitted(
    context: &WorkerContext,
    job: &Job,
    admitted: &Job,
    settle: &dyn Settle,
    abort: &CancellationToken,
) -> Settlement {
    let (ports, policy) = (&context.ports, context.settings.settlement_policy());
    let cancelled = || ports.runs.is_cancelled(&job.run_id);
    let longest = context.settings.max_pause;
    let paused = paused(job, ports.pauses.as_ref(), longest);
    for PausedHost { host, until, .. } in &paused {
        ports.measures.host_paused(host, *until);
    }
    let (waits_for, half_open) = if settlement::tries_paused_hosts(job) {
        (Vec::new(), paused)
    } else {
        (paused, Vec::new())
    };
    let half_open = HalfOpen::new(ports, half_open);
    let now = ports.clock.now();
    let refused = settlement::before_attempt(job, cancelled(), &waits_for, &policy, now);
    if let Some(settlement) = refused {
        return settlement;
    }
    // What is asked for by hand waits for nobody.
    let share = async {
        match job.target.image.repository.host() {
            Some(host) if job.trigger != Trigger::Enqueue => {
                context.target_shares.take(host).await.ok_or(host)
            }
            _ => Ok(Shared::default()),
        }
    };
    let share = with_heartbeats(settle, context.settings.heartbeat, share).await;
    let _share = match share {
        Ok(share) => share,
        Err(host) => return settlement::without_share(job, host, &policy, now),
    };
    ports.progress.image_started(job);
    let ended = run_attempt(context, admitted, settle, &half_open, abort).await;
    let failure = ended.outcome.as_ref().err().map(|failure| {
        ports.traces.failed(&Span::current(), &failure.to_string());
        failure.class
    });
    let now = ports.clock.now();
    let settlement = settlement::after_attempt(job, ended, cancelled(), &policy, now);
    if let (Some(class), true) = (failure, settlement.puts_back()) {
        ports.measures.job_put_back(class);
    }
    settlement
}

/// The hosts of a job that are left alone.
fn paused<'a>(job: &'a Job, pauses: &dyn HostPauses, longest: Duration) -> Vec<PausedHost<'a>> {
    let sides = [(Side::Source, &job.source), (Side::Target, &job.target)];
    let left_alone = sides.into_iter().filter_map(|(side, place)| {
        let host = place.image.repository.host()?;
        let until = pauses.paused_until(host, longest)?;
        Some(PausedHost { side, host, until })
    });
    left_alone.collect()
}

/// A slot in use. Dropping it frees it, however the job ended.
struct BusySlot<'a>(&'a dyn Measures);

impl<'a> BusySlot<'a> {
    fn take(measures: &'a dyn Measures) -> Self {
        measures.slot_taken();
        Self(measures)
    }
}

impl Drop for BusySlot<'_> {
    fn drop(&mut self) {
        self.0.slot_freed();
    }
}

/// Makes one attempt, and ends it when its time is used up, its lease is lost, or the worker must end.
async fn run_attempt(
    context: &WorkerContext,
    job: &Job,
    settle: &dyn Settle,
    half_open: &HalfOpen<'_>,
    abort: &CancellationToken,
) -> AttemptOutcome {
    let started = Instant::now();
    let first_began = job.so_far.started_at;
    let first_began =
        first_began.unwrap_or_else(|| timestamp::whole_milliseconds(context.ports.clock.now()));
    let limit = TimeLimit::new(Duration::from_secs(job.policy.timeout_secs));
    let (in_flight, tally) = (InFlight::default(), SharedTally::starting_with(&job.so_far));
    let lease_guard = LeaseGuard::new(context, job, settle);
    let requests = Requests {
        registries: context.ports.registries.as_ref(),
        retry: retry::request_policy(&context.settings.retry),
        in_flight: &in_flight,
        half_open,
    };
    let attempt = Attempt::new(context, job, requests, &tally, &lease_guard, &limit);
    let outcome = {
        // Pinned outside of `select!`, which drops its branches before it hands over what one of them yields: so the
        // operations in flight are still there to be named by who cuts them short. The block ends the copy before its
        // lease is given back.
        let mut work = pin!(attempt.run());
        tokio::select! {
            // Work that ends in the same moment as its time is done, and is not done again.
            biased;
            outcome = &mut work => outcome,
            ends = lease_guard.watch() => Err(ends),
            () = abort.cancelled() => Err(interrupted(job, &in_flight)),
            () = limit.used_up() => Err(time_used_up(job, &in_flight)),
        }
    };
    lease_guard.release().await;
    if outcome.is_ok() {
        // An image that is up to date took HEADs alone, of which none proves that the pause is over: that both ends
        // gave a good answer does.
        half_open.answered(Side::Source).await;
        half_open.answered(Side::Target).await;
    }
    let tally = tally.lock().clone();
    // Not all failures come from the port: those of manifests and platforms quote what a registry sent, too.
    let outcome = outcome.map_err(|failure| context.ports.registries.without_secrets(failure));
    AttemptOutcome {
        outcome,
        tally,
        started_at: Some(first_began),
        duration: Duration::from_millis(job.so_far.duration_ms).saturating_add(started.elapsed()),
    }
}

fn interrupted(job: &Job, in_flight: &InFlight) -> Failure {
    cut_short(job, in_flight, FailureClass::Interrupted, INTERRUPTED)
}

fn time_used_up(job: &Job, in_flight: &InFlight) -> Failure {
    let limit = job.policy.timeout_secs;
    let why = format!("pull_timeout_secs: not done within {limit} s while ");
    cut_short(job, in_flight, FailureClass::TimeUsedUp, &why)
}

/// The failure of an attempt that was ended in the middle: why, and what it was at.
fn cut_short(job: &Job, in_flight: &InFlight, class: FailureClass, why: &str) -> Failure {
    let (side, what) = in_flight
        .oldest()
        .unwrap_or((Side::Target, "waiting for the queue".to_owned()));
    let answer = format!("{why}{what}");
    Failure::new(side, Step::Image, &job.target.image, class, answer)
}
