//! A job that is put back: the same work, as a new job of a new run.

use std::time::Duration;

use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::run::job::{Job, JobId};
use image_sync_shared::run::outcome::Work;
use image_sync_shared::run::{ImageName, Trigger};
use time::OffsetDateTime;

use crate::produce::{Order, RunPlan, SIGN_OF_LIFE};
use crate::run_id::{new_run_id, registries};

/// A letter with its job.
pub(super) struct Replayed {
    /// The letter's id.
    pub(super) letter: String,
    job: Job,
}

impl Replayed {
    /// None for a letter without a job, or with one that is not known here.
    pub(super) fn of(letter: DeadLetter) -> Option<Self> {
        Some(Self {
            letter: letter.id,
            job: letter.job.filter(Job::is_known)?,
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
            // Of its platforms it says what its producer knew of them.
            v: self.job.v.max(self.job.policy.message_version()),
            job_id: JobId::new(&plan.run_id, idx),
            run_id: plan.run_id.clone(),
            idx,
            trigger: plan.trigger,
            attempt: 1,
            defers: 0,
            first_enqueued_at: now,
            not_before: None,
            history: Vec::new(),
            so_far: Work::default(),
            // The deadline, the code and the trace are those of the old run until it is published (`Marks`).
            ..self.job.clone()
        }
    }
}

/// The run of these letters and those that follow them, unless there is none. An image that fails again fails the run.
pub(super) fn plan(first: &[Replayed], timeout: Duration, now: OffsetDateTime) -> Option<RunPlan> {
    let run_id = new_run_id(now);
    let targets = first
        .iter()
        .map(|replayed| &replayed.job.target.image.repository);
    Some(RunPlan {
        trigger: Trigger::Replay,
        cache_registry: registries(targets),
        // Letters of many catalogs may be in it: it waits for no run, and keeps none waiting.
        config_hash: run_id.own_catalog(),
        run_id,
        // Letters are read page by page.
        images: None,
        skip_on_error: false,
        timeout,
        sign_of_life: SIGN_OF_LIFE,
        // Each job keeps its own.
        policy: first.first()?.job.policy.clone(),
    })
}
