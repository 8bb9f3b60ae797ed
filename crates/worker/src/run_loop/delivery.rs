//! One delivery, from its first check to its settlement.

use std::pin::pin;
use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::job::Job;
use image_sync_shared::ports::host_pauses::HostPauses;
use image_sync_shared::ports::job_queue::{Delivery, Settle};
use image_sync_shared::ports::measures::Measures;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, info_span, warn};

use crate::context::Workshop;
use crate::context::half_open::Trial;
use crate::context::in_flight::Doing;
use crate::context::lease_guard::Keeper;
use crate::context::retry;
use crate::context::time_limit::TimeLimit;
use crate::decide::settlement::{self, Ended, Paused, Settlement};
use crate::decide::tally::Ledger;
use crate::run_loop::settle::{publish, while_giving_signs_of_life};
use crate::transfer::check_and_copy::Attempt;
use crate::transfer::missing_at_source::Unserved;
use crate::transfer::requests::Calls;
use crate::transfer::target::Memory;

/// Works a delivery and settles it.
pub(crate) async fn work(workshop: &Workshop, delivery: Delivery, abort: &CancellationToken) {
    let job = &delivery.job;
    // A trace of its own, as that of a run would have all of its images.
    let span = info_span!(
        parent: None,
        "job",
        run = %job.run_id,
        job = %job.job_id,
        image = %job.source.image,
        attempt = job.attempt,
        worker = workshop.settings.name,
    );
    let ports = &workshop.ports;
    ports.traces.link(&span, &job.trace);
    let late = ports.clock.now() - job.not_before.unwrap_or(job.first_enqueued_at);
    let late = Duration::try_from(late).unwrap_or_default();
    ports.measures.job_delivered(delivery.lane, late);
    let _slot = Slot::take(ports.measures.as_ref());
    work_inside_span(workshop, delivery, abort)
        .instrument(span)
        .await;
}

async fn work_inside_span(workshop: &Workshop, delivery: Delivery, abort: &CancellationToken) {
    let Delivery {
        job,
        deliveries,
        settle,
        ..
    } = delivery;
    if deliveries > 1 {
        warn!(deliveries, "delivered again: its last worker lost it");
    }
    let ports = &workshop.ports;
    let settlement = match workshop.settings.admission.admit(&job) {
        Ok(admitted) => work_admitted(workshop, &job, &admitted, settle.as_ref(), abort).await,
        Err(refusal) => {
            let (cancelled, now) = (ports.runs.is_cancelled(&job.run_id), ports.clock.now());
            let unworked = Ended::unworked(&job, refusal);
            settlement::after_work(&job, unworked, cancelled, &workshop.settings, now)
        }
    };
    let every = workshop.settings.heartbeat;
    let settled = publish(ports, &job, settle.as_ref(), settlement);
    while_giving_signs_of_life(settle.as_ref(), every, settled).await;
}

/// Works `admitted`, which is `job` as this worker may work it. What is put back is the job as it came.
async fn work_admitted(
    workshop: &Workshop,
    job: &Job,
    admitted: &Job,
    settle: &dyn Settle,
    abort: &CancellationToken,
) -> Settlement {
    let ports = &workshop.ports;
    let cancelled = || ports.runs.is_cancelled(&job.run_id);
    let longest = workshop.settings.max_pause;
    let paused = paused(job, ports.pauses.as_ref(), longest);
    for Paused { host, until, .. } in &paused {
        ports.measures.host_paused(host, *until);
    }
    let (held_by, on_trial) = if settlement::asks_paused_hosts(job) {
        (Vec::new(), paused)
    } else {
        (paused, Vec::new())
    };
    let trial = Trial::new(ports, on_trial);
    let now = ports.clock.now();
    let refused = settlement::before_work(job, cancelled(), &held_by, &workshop.settings, now);
    if let Some(settlement) = refused {
        return settlement;
    }
    ports.progress.image_started(job);
    let ended = attempt(workshop, admitted, settle, &trial, abort).await;
    let failure = ended.outcome.as_ref().err().map(|failure| {
        ports.traces.failed(&Span::current(), &failure.to_string());
        failure.class
    });
    let now = ports.clock.now();
    let settlement = settlement::after_work(job, ended, cancelled(), &workshop.settings, now);
    if let (Some(class), true) = (failure, settlement.puts_back()) {
        ports.measures.job_put_back(class);
    }
    settlement
}

/// The hosts of a job that are left alone.
fn paused<'a>(job: &'a Job, pauses: &dyn HostPauses, longest: Duration) -> Vec<Paused<'a>> {
    let sides = [(Side::Source, &job.source), (Side::Target, &job.target)];
    let left_alone = sides.into_iter().filter_map(|(side, place)| {
        let host = place.image.repository.host()?;
        let until = pauses.paused_until(host, longest)?;
        Some(Paused { side, host, until })
    });
    left_alone.collect()
}

/// A slot in use. Dropping it frees it, however the job ended.
struct Slot<'a>(&'a dyn Measures);

impl<'a> Slot<'a> {
    fn take(measures: &'a dyn Measures) -> Self {
        measures.slot_taken();
        Self(measures)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.slot_freed();
    }
}

/// Makes one attempt, and ends it when its time is used up, its lease is lost, or the worker must end.
async fn attempt(
    workshop: &Workshop,
    job: &Job,
    settle: &dyn Settle,
    trial: &Trial<'_>,
    abort: &CancellationToken,
) -> Ended {
    let started = Instant::now();
    let limit = TimeLimit::new(Duration::from_secs(job.policy.timeout_secs));
    let (doing, ledger) = (Doing::default(), Ledger::begun_with(&job.so_far));
    let keeper = Keeper {
        job,
        settle,
        leases: workshop.ports.leases.as_ref(),
        holder: &workshop.settings.name,
        every: workshop.settings.heartbeat,
        lease: Mutex::new(None),
    };
    let attempt = Attempt {
        workshop,
        job,
        source: job.source_remote(),
        target: job.target_remote(),
        calls: Calls {
            registries: workshop.ports.registries.as_ref(),
            tries: retry::tries(&workshop.settings.retry),
            doing: &doing,
            trial,
        },
        ledger: &ledger,
        keeper: &keeper,
        limit: &limit,
        memory: Memory::default(),
        unserved: Unserved::default(),
        large: OnceCell::new(),
    };
    let outcome = {
        let mut work = pin!(attempt.run());
        tokio::select! {
            outcome = &mut work => outcome,
            ends = keeper.watch() => Err(ends),
            () = abort.cancelled() => Err(interrupted(job, &doing)),
            () = limit.used_up() => Err(time_used_up(job, &doing)),
        }
    };
    keeper.release().await;
    if outcome.is_ok() {
        trial.answered(Side::Source).await;
        trial.answered(Side::Target).await;
    }
    let account = ledger.account().clone();
    let outcome = outcome.map_err(|failure| workshop.ports.registries.without_secrets(failure));
    Ended {
        outcome,
        account,
        duration: Duration::from_millis(job.so_far.duration_ms).saturating_add(started.elapsed()),
    }
}

fn interrupted(job: &Job, doing: &Doing) -> Failure {
    let why = "the worker was told to end";
    cut_short(job, doing, FailureClass::Interrupted, why)
}

fn time_used_up(job: &Job, doing: &Doing) -> Failure {
    let limit = job.policy.timeout_secs;
    let why = format!("pull_timeout_secs: not done within {limit} s");
    cut_short(job, doing, FailureClass::TimeUsedUp, &why)
}

/// The failure of an attempt that was ended in the middle: why, and what it was at.
fn cut_short(job: &Job, doing: &Doing, class: FailureClass, why: &str) -> Failure {
    let (side, what) = doing
        .oldest()
        .unwrap_or((Side::Target, "waiting for the queue".to_owned()));
    let answer = format!("{why} while {what}");
    Failure::new(side, Step::Image, &job.target.image, class, answer)
}
