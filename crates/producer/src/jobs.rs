//! The job of each image of a run.

use image_sync_shared::config::{ImageSpec, Settings};
use image_sync_shared::image::platform::{Platform, Platforms};
use image_sync_shared::ports::telemetry::trace_context::TraceContext;
use image_sync_shared::run::job::{ImagePolicy, Job, JobId, JobKind, Place, Policy};
use image_sync_shared::run::outcome::Work;
use image_sync_shared::run::{ImageName, RunId, Trigger};
use time::OffsetDateTime;

/// The rules that the settings make for every job.
#[must_use]
pub fn policy(settings: &Settings, dry_run: bool) -> Policy {
    Policy {
        dry_run,
        timeout_secs: settings.pull_timeout.as_secs(),
        confirms_source: false,
        image: ImagePolicy::default(),
    }
}

/// The name of an image in the log of its run.
#[must_use]
pub fn name_of(image: &ImageSpec) -> ImageName {
    ImageName {
        image: image.image.clone(),
        tag: image.tag.clone(),
        target: image.target_name(),
    }
}

/// The first attempt at image `idx` of a run.
#[must_use]
pub fn job_for(
    image: &ImageSpec,
    run_id: &RunId,
    idx: u32,
    trigger: Trigger,
    policy: &Policy,
    now: OffsetDateTime,
) -> Job {
    let policy = Policy {
        image: image.policy.clone(),
        ..policy.clone()
    };
    Job {
        v: version(&policy, &image.platforms),
        kind: JobKind::CheckAndCopy,
        job_id: JobId::new(run_id, idx),
        run_id: run_id.clone(),
        idx,
        trigger,
        image: image.image.clone(),
        tag: image.tag.clone(),
        source: Place {
            image: image.source.image(image.reference.clone()),
            trust: image.source_trust,
        },
        target: Place {
            image: image.target.image(image.target_reference.clone()),
            trust: image.target_trust,
        },
        platforms: image.platforms.clone(),
        policy,
        awaited: None,
        attempt: 1,
        defers: 0,
        first_enqueued_at: now,
        not_before: None,
        deadline_at: None,
        history: Vec::new(),
        so_far: Work::default(),
        mac: None,
        trace: TraceContext::default(),
    }
}

/// The version of a message: a worker that does not know policies, patterns of platforms or artifacts must not take the job.
fn version(policy: &Policy, platforms: &Platforms) -> u32 {
    match platforms {
        Platforms::Several(all) if all.iter().any(Platform::is_pattern) => {
            policy.message_version().max(2)
        }
        _ => policy.message_version(),
    }
}

#[cfg(test)]
mod tests {
    use image_sync_testkit::samples;

    use super::*;

    #[test]
    fn a_job_says_all_that_a_worker_needs() {
        let image = samples::image();
        let policy = Policy {
            dry_run: true,
            timeout_secs: 300,
            confirms_source: false,
            image: ImagePolicy::default(),
        };
        let (run, now) = (samples::run(), samples::now());
        let job = job_for(&image, &run, 7, Trigger::Schedule, &policy, now);
        assert_eq!(job.job_id.as_str(), "r1:7");
        assert_eq!(job.message_id(), "r1:7");
        assert_eq!((&job.image, &job.tag), (&image.image, &image.tag));
        assert_eq!(job.source.image.to_string(), "quay.io/a/b:t");
        assert_eq!(job.source.trust, image.source_trust);
        assert_eq!(job.target.image.to_string(), image.target_name());
        assert_eq!(job.target.trust, image.target_trust);
        assert_eq!(job.platforms, image.platforms);
        assert_eq!(job.policy, policy);
        assert_eq!((job.attempt, job.defers, job.not_before), (1, 0, None));
        assert_eq!(job.first_enqueued_at, now);
    }

    #[test]
    fn workers_that_know_no_patterns_of_platforms_leave_jobs_with_some() {
        let version_of = |platforms: &str| {
            let image = ImageSpec {
                platforms: platforms.parse().unwrap(),
                ..samples::image()
            };
            let policy = policy_of_nothing();
            job_for(
                &image,
                &samples::run(),
                7,
                Trigger::Schedule,
                &policy,
                samples::now(),
            )
            .v
        };
        assert_eq!(version_of("linux/amd64,linux/arm64"), 1);
        assert_eq!(version_of("linux/*"), 2);
        assert_eq!(version_of("linux/amd64,*/arm64"), 2);
    }

    fn policy_of_nothing() -> Policy {
        Policy {
            dry_run: false,
            timeout_secs: 300,
            confirms_source: false,
            image: ImagePolicy::default(),
        }
    }
}
