//! Values for the tests of this crate.

use image_sync_shared::image::platform::Platforms;
use image_sync_shared::image::reference::split;
use image_sync_shared::run::job::{
    ImagePolicy, Job, JobId, JobKind, MESSAGE_VERSION, Place, Policy, Trust,
};
use image_sync_shared::run::outcome::{Action, BlobCounts, ImageResult, Work};
use image_sync_shared::run::report::{Report, ReportHead, RunStatus, Summary};
use image_sync_shared::run::{RunId, Trigger};
use time::macros::datetime;

pub(crate) fn head() -> ReportHead {
    ReportHead {
        timestamp: datetime!(2026-11-20 12:00:02 UTC),
        cache_registry: "localhost:5000".to_owned(),
        run_id: RunId::new("r1"),
        trigger: Trigger::Cron,
        status: RunStatus::Complete,
        started_at: datetime!(2026-11-20 12:00 UTC),
        duration_ms: 2_300,
        bytes_copied: 0,
        summary: Summary::default(),
        left_out: None,
    }
}

/// Three images: copied, in place, failed.
pub(crate) fn report() -> Report {
    let mut copied = result("docker.io/library/nginx", Action::Pulled);
    copied.bytes_copied = 12_595;
    copied.blobs.copied = 3;
    let mut failed = result("quay.io/x", Action::Failed);
    failed.error = Some("source: check 1.27: 404, there is no such tag".to_owned());
    let mut head = head();
    head.bytes_copied = 12_595;
    head.summary = Summary {
        pulled: 1,
        already_cached: 1,
        skipped: 0,
        failed: 1,
        kept: 0,
        other: 0,
        total: 3,
    };
    Report {
        head,
        results: vec![copied, result("redis", Action::AlreadyCached), failed],
        missing: Vec::new(),
    }
}

pub(crate) fn result(image: &str, action: Action) -> ImageResult {
    ImageResult {
        image: image.to_owned(),
        tag: "1.27".to_owned(),
        action,
        remote_digest: None,
        cached_digest: None,
        duration_ms: 340,
        error: None,
        target: format!("localhost:5000/{image}:1.27"),
        platform: "linux/amd64".to_owned(),
        expected_digest: None,
        attempts: 1,
        bytes_copied: 0,
        blobs: BlobCounts::default(),
        would_copy: None,
        note: None,
        attestations_left_out: 0,
    }
}

pub(crate) fn job(idx: u32, image: &str) -> Job {
    let run_id = RunId::new("r1");
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
        trigger: Trigger::Cron,
        image: image.to_owned(),
        tag: "1.27".to_owned(),
        source: place("docker.io/library/nginx:1.27"),
        target: place("localhost:5000/library/nginx:1.27"),
        platforms: Platforms::All,
        policy: Policy {
            dry_run: false,
            timeout_secs: 300,
            image: ImagePolicy::default(),
        },
        attempt: 1,
        defers: 0,
        first_enqueued_at: datetime!(2026-11-20 12:00 UTC),
        not_before: None,
        deadline_at: None,
        history: Vec::new(),
        so_far: Work::default(),
        mac: None,
        trace: image_sync_shared::ports::telemetry::trace_context::TraceContext::default(),
    }
}
