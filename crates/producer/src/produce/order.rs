//! What the jobs of a run are made of.

use image_sync_shared::config::{Expanded, ImageSpec};
use image_sync_shared::failure::Failure;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::{ImageName, RunEvent};
use time::OffsetDateTime;

use super::RunPlan;
use crate::jobs;

/// What one job is made of.
pub trait Order {
    /// The name of its image in the log of the run.
    fn name(&self) -> ImageName;

    /// Why there is no job to be made of it, if so: that is the image's result.
    fn failure(&self) -> Option<&Failure> {
        None
    }

    /// The job, in its place in the run.
    fn job(&self, plan: &RunPlan, idx: u32, now: OffsetDateTime) -> Job;
}

impl Order for ImageSpec {
    fn name(&self) -> ImageName {
        jobs::name_of(self)
    }

    fn job(&self, plan: &RunPlan, idx: u32, now: OffsetDateTime) -> Job {
        jobs::job_for(self, &plan.run_id, idx, plan.trigger, &plan.policy, now)
    }
}

impl Order for Expanded {
    fn name(&self) -> ImageName {
        self.image.name()
    }

    fn failure(&self) -> Option<&Failure> {
        self.failure.as_deref()
    }

    fn job(&self, plan: &RunPlan, idx: u32, now: OffsetDateTime) -> Job {
        self.image.job(plan, idx, now)
    }
}

impl<O: Order> Order for &O {
    fn failure(&self) -> Option<&Failure> {
        (*self).failure()
    }

    fn name(&self) -> ImageName {
        (*self).name()
    }

    fn job(&self, plan: &RunPlan, idx: u32, now: OffsetDateTime) -> Job {
        (*self).job(plan, idx, now)
    }
}

/// What the log is told of an image for which no job is published.
pub(super) fn result(job: &Job, failure: &Failure) -> RunEvent {
    let result = job.unworked("producer", failure.class, failure.to_string());
    RunEvent::Result(Box::new(result))
}
