//! A job that is put back: the same work, as a new job of a new run.

use std::collections::BTreeSet;
use std::time::Duration;

use image_sync_shared::job::{Job, JobId, MESSAGE_VERSION};
use image_sync_shared::ports::dead_letters::DeadLetter;
use image_sync_shared::run::{ImageName, Trigger};
use time::OffsetDateTime;

use crate::catalog::new_run_id;
use crate::produce::{Order, RunPlan, own_catalog};

/// A letter with its job.
pub(super) struct Replayed {
    /// The letter's id.
    pub(super) letter: String,
    job: Job,
}

impl Replayed {
    /// None for a letter without a job.
    pub(super) fn of(letter: DeadLetter) -> Option<Self> {
        Some(Self {
            letter: letter.id,
            job: letter.job?,
        })
    }
}

impl Order for Replayed {
    fn name(&self) -> ImageName {
        ImageName {
            image: self.job.image.clone(),
            tag: self.job.tag.clone(),
            target: self.job.target.image.to_string(),
        }
    }

    fn job(&self, plan: &RunPlan, idx: u32, now: OffsetDateTime) -> Job {
        Job {
            v: MESSAGE_VERSION,
            job_id: JobId::new(&plan.run_id, idx),
            run_id: plan.run_id.clone(),
            idx,
            trigger: plan.trigger,
            attempt: 1,
            defers: 0,
            first_enqueued_at: now,
            not_before: None,
            history: Vec::new(),
            ..self.job.clone()
        }
    }
}

/// The run of these letters and those that follow them, unless there is none. An image that fails again fails the run.
pub(super) fn plan(first: &[Replayed], timeout: Duration, now: OffsetDateTime) -> Option<RunPlan> {
    let run_id = new_run_id(now);
    Some(RunPlan {
        trigger: Trigger::Replay,
        cache_registry: targets(first),
        config_hash: own_catalog(&run_id),
        run_id,
        skip_on_error: false,
        timeout,
        // Each job keeps its own.
        policy: first.first()?.job.policy.clone(),
    })
}

/// Where the jobs go, for the report.
fn targets(replayed: &[Replayed]) -> String {
    let targets: BTreeSet<String> = replayed
        .iter()
        .map(|replayed| {
            let repository = &replayed.job.target.image.repository;
            let host = repository.host().map(str::to_owned);
            host.unwrap_or_else(|| repository.to_string())
        })
        .collect();
    Vec::from_iter(targets).join(", ")
}
