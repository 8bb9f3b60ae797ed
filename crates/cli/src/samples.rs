//! Values for the tests of this crate.

mod moving;
mod registries;

use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::{Action, ImageResult};
use image_sync_shared::run::report::{Report, ReportHead, RunStatus, SCHEMA_VERSION, Summary};
use image_sync_shared::run::{RunId, Trigger};
use image_sync_testkit::samples;
use time::macros::datetime;

pub(crate) use moving::MovingTags;
pub(crate) use registries::InPlace;

pub(crate) fn head() -> ReportHead {
    ReportHead {
        schema_version: SCHEMA_VERSION,
        program_version: "0.1.0".to_owned(),
        timestamp: datetime!(2026-11-20 12:00:02 UTC),
        cache_registry: "localhost:5000".to_owned(),
        run_id: RunId::new("r1"),
        trigger: Trigger::Schedule,
        status: RunStatus::Complete,
        dry_run: false,
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
        missing: 0,
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
        duration_ms: 340,
        error: None,
        target: format!("localhost:5000/{image}:1.27"),
        bytes_copied: 0,
        ..samples::entry(0, action)
    }
}

pub(crate) fn job(idx: u32, image: &str) -> Job {
    let job = samples::copy(
        "docker.io/library/nginx:1.27",
        "localhost:5000/library/nginx:1.27",
    );
    Job {
        image: image.to_owned(),
        ..samples::numbered(idx, job)
    }
}
