//! Values for the tests of this crate.

use time::OffsetDateTime;
use time::macros::datetime;

use crate::image::reference::split;
use crate::run::job::{ImagePolicy, Job, JobId, JobKind, MESSAGE_VERSION, Place, Policy, Trust};
use crate::run::outcome::{Action, BlobCounts, ImageResult, JobResult, Work};
use crate::run::{RunId, RunOpened, Trigger};

pub(crate) fn now() -> OffsetDateTime {
    datetime!(2026-11-20 12:00 UTC)
}

pub(crate) fn job(run: &str, idx: u32) -> Job {
    let run_id = RunId::new(run);
    let place = |text: &str| {
        let (repository, reference) = split(text).unwrap();
        Place {
            image: repository.image(reference.unwrap()),
            trust: Trust::Verified,
        }
    };
    Job {
        v: MESSAGE_VERSION,
        kind: JobKind::CheckAndCopy,
        job_id: JobId::new(&run_id, idx),
        run_id,
        idx,
        trigger: Trigger::Schedule,
        image: "docker.io/library/nginx".to_owned(),
        tag: "1.27".to_owned(),
        source: place("docker.io/library/nginx:1.27"),
        target: place("localhost:5000/library/nginx:1.27"),
        platforms: crate::image::platform::Platforms::All,
        policy: Policy {
            dry_run: false,
            timeout_secs: 300,
            confirms_source: false,
            image: ImagePolicy::default(),
        },
        awaited: None,
        attempt: 1,
        defers: 0,
        first_enqueued_at: now(),
        not_before: None,
        deadline_at: None,
        history: Vec::new(),
        so_far: Work::default(),
        mac: None,
        trace: crate::ports::telemetry::trace_context::TraceContext::default(),
    }
}

pub(crate) fn opened() -> RunOpened {
    RunOpened {
        started_at: now(),
        deadline_at: now(),
        trigger: Trigger::Schedule,
        cache_registry: "localhost:5000".to_owned(),
        config_hash: String::new(),
        images: None,
        skip_on_error: false,
        silence_ms: 90_000,
        key: None,
        trace: crate::ports::telemetry::trace_context::TraceContext::default(),
        dry_run: false,
    }
}

pub(crate) fn result(idx: u32) -> JobResult {
    let entry = ImageResult {
        image: "docker.io/library/nginx".to_owned(),
        tag: "1.27".to_owned(),
        action: Action::AlreadyCached,
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
        artifacts: None,
        ended_at: None,
        failure: None,
        started_at: None,
    };
    JobResult {
        idx,
        worker: "w".to_owned(),
        class: None,
        mac: None,
        entry,
    }
}
