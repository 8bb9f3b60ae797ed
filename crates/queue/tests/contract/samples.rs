//! Jobs, letters and events for the rules.

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::platform::Platforms;
use image_sync_shared::image::reference::split;
use image_sync_shared::ports::queue::dead_letters::{DeadLetter, DeadLetters};
use image_sync_shared::run::job::{
    ImagePolicy, Job, JobId, JobKind, MESSAGE_VERSION, Place, Policy, Trust,
};
use image_sync_shared::run::outcome::{Action, BlobCounts, ImageResult, JobResult, Work};
use image_sync_shared::run::{RunEvent, RunId, Trigger};
use time::OffsetDateTime;
use time::macros::datetime;

const SOME_TIME: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

/// All letters, oldest first.
pub(crate) async fn all_of(letters: &dyn DeadLetters) -> Vec<DeadLetter> {
    let (mut reader, mut read) = (letters.read().await.unwrap(), Vec::new());
    while let Some(letter) = reader.next().await.unwrap() {
        read.push(letter);
    }
    read
}

pub(crate) fn run() -> RunId {
    RunId::new("r1")
}

/// Job `idx` of [`run`].
pub(crate) fn job(idx: u32) -> Job {
    job_of(&run(), idx)
}

pub(crate) fn job_of(run: &RunId, idx: u32) -> Job {
    Job {
        v: MESSAGE_VERSION,
        kind: JobKind::CheckAndCopy,
        job_id: JobId::new(run, idx),
        run_id: run.clone(),
        idx,
        trigger: Trigger::Cron,
        image: "docker.io/library/nginx".to_owned(),
        tag: "1.27".to_owned(),
        source: place("docker.io/library/nginx:1.27", Trust::Verified),
        target: place("localhost:5000/library/nginx:1.27", Trust::Insecure),
        platforms: Platforms::of(vec!["linux/arm64/v8".parse().unwrap()]),
        policy: Policy {
            dry_run: false,
            timeout_secs: 300,
            image: ImagePolicy::default(),
        },
        attempt: 1,
        defers: 0,
        first_enqueued_at: SOME_TIME,
        not_before: None,
        deadline_at: None,
        history: Vec::new(),
        so_far: Work::default(),
        mac: None,
        trace: image_sync_shared::ports::telemetry::trace_context::TraceContext::default(),
    }
}

/// Job `idx` of [`run`], held until `time`.
pub(crate) fn held_job(idx: u32, time: OffsetDateTime) -> Job {
    Job {
        not_before: Some(time),
        ..job(idx)
    }
}

pub(crate) fn failure() -> Failure {
    Failure::new(
        Side::Target,
        Step::PushBlob,
        "sha256:ab",
        FailureClass::Unavailable,
        "503 Service Unavailable",
    )
}

pub(crate) fn letter(id: &str, reason: &str) -> DeadLetter {
    DeadLetter {
        id: id.to_owned(),
        died_at: SOME_TIME,
        reason: reason.to_owned(),
        job: Some(job(0)),
        raw: None,
    }
}

pub(crate) fn seal(expected: u32) -> RunEvent {
    RunEvent::Seal { expected }
}

pub(crate) fn result(idx: u32, action: Action) -> RunEvent {
    RunEvent::Result(Box::new(JobResult {
        idx,
        worker: "w1".to_owned(),
        class: None,
        mac: None,
        entry: ImageResult {
            image: "docker.io/library/nginx".to_owned(),
            tag: "1.27".to_owned(),
            action,
            remote_digest: None,
            cached_digest: None,
            duration_ms: 1,
            error: None,
            target: "localhost:5000/library/nginx:1.27".to_owned(),
            platform: "all".to_owned(),
            expected_digest: None,
            attempts: 1,
            bytes_copied: 0,
            blobs: BlobCounts::default(),
            would_copy: None,
            note: None,
            attestations_left_out: 0,
        },
    }))
}

fn place(text: &str, trust: Trust) -> Place {
    let (repository, reference) = split(text).unwrap();
    Place {
        image: repository.image(reference.unwrap()),
        trust,
    }
}
