//! Values of which one is like the other: images, jobs, and the events of a run.

use std::fmt::Debug;
use std::str::FromStr;

use image_sync_shared::config::ImageSpec;
use image_sync_shared::image::platform::Platforms;
use image_sync_shared::image::reference::{Reference, split};
use image_sync_shared::ports::telemetry::trace_context::TraceContext;
use image_sync_shared::run::job::{
    ImagePolicy, Job, JobId, JobKind, MESSAGE_VERSION, Place, Policy, Trust,
};
use image_sync_shared::run::outcome::{Action, BlobCounts, ImageResult, JobResult, Work};
use image_sync_shared::run::report::MissingImage;
use image_sync_shared::run::{ImageName, RunEvent, RunId, RunOpened, Trigger};
use image_sync_shared::secret::mac::MacKey;
use time::OffsetDateTime;
use time::macros::datetime;

/// Noon, UTC, on 20 November 2026.
#[must_use]
pub fn now() -> OffsetDateTime {
    datetime!(2026-11-20 12:00 UTC)
}

/// The run of all of them.
#[must_use]
pub fn run() -> RunId {
    RunId::new("r1")
}

/// The usual rules.
#[must_use]
pub fn policy() -> Policy {
    Policy {
        dry_run: false,
        timeout_secs: 300,
        confirms_source: false,
        image: ImagePolicy::default(),
    }
}

/// An image: `quay.io/a/b:t`, to `localhost:5000`.
#[must_use]
pub fn image() -> ImageSpec {
    let tag: Reference = parsed("t");
    ImageSpec {
        image: "quay.io/a/b".to_owned(),
        tag: "t".to_owned(),
        source: parsed("quay.io/a/b"),
        reference: tag.clone(),
        target: parsed("localhost:5000/quay.io/a/b"),
        target_reference: tag,
        platforms: parsed("linux/amd64"),
        source_trust: Trust::Verified,
        target_trust: Trust::InsecureByDefault,
        policy: ImagePolicy::default(),
    }
}

#[expect(clippy::expect_used, reason = "the texts are those of this file")]
fn parsed<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("a valid text")
}

/// As many images as asked for.
#[must_use]
pub fn images(count: usize) -> Vec<ImageSpec> {
    let image = image();
    let numbered = |number: usize| ImageSpec {
        tag: format!("v{number}"),
        ..image.clone()
    };
    (0..count).map(numbered).collect()
}

/// How [`run`] was opened.
#[must_use]
pub fn opened() -> RunOpened {
    RunOpened {
        started_at: now(),
        deadline_at: now() + time::Duration::hours(1),
        trigger: Trigger::Schedule,
        cache_registry: "localhost:5000".to_owned(),
        config_hash: "c0ffee".to_owned(),
        key: None,
        trace: TraceContext::default(),
        images: None,
        skip_on_error: false,
        silence_ms: 90_000,
        dry_run: false,
    }
}

/// The name of image `idx`.
#[must_use]
pub fn name(idx: u32) -> ImageName {
    ImageName {
        image: "quay.io/a/b".to_owned(),
        tag: format!("v{idx}"),
        target: format!("localhost:5000/quay.io/a/b:v{idx}"),
    }
}

/// An image without a result that was never begun.
#[must_use]
pub fn missing(idx: u32) -> MissingImage {
    let name = name(idx);
    MissingImage {
        image: name.image,
        tag: name.tag,
        target: name.target,
        attempts: 0,
        error: None,
        bytes_copied: 0,
    }
}

/// The names of images from `first_idx` on.
#[must_use]
pub fn chunk(first_idx: u32, past_last: u32) -> RunEvent {
    RunEvent::Chunk {
        first_idx,
        items: (first_idx..past_last).map(name).collect(),
    }
}

/// The end of a run of so many images.
#[must_use]
pub fn seal(expected: u32) -> RunEvent {
    RunEvent::Seal { expected }
}

/// What came of image `idx`.
#[must_use]
pub fn entry(idx: u32, action: Action) -> ImageResult {
    let name = name(idx);
    ImageResult {
        image: name.image,
        tag: name.tag,
        action,
        remote_digest: None,
        cached_digest: None,
        duration_ms: 7,
        error: (action == Action::Failed).then(|| "source: check t: 404".to_owned()),
        target: name.target,
        platform: "linux/amd64".to_owned(),
        expected_digest: None,
        attempts: 1,
        bytes_copied: 10,
        blobs: BlobCounts::default(),
        would_copy: None,
        note: None,
        attestations_left_out: 0,
        artifacts: None,
        ended_at: None,
        failure: None,
        started_at: None,
    }
}

/// The same as an event.
#[must_use]
pub fn result(idx: u32, action: Action) -> RunEvent {
    RunEvent::Result(Box::new(JobResult {
        idx,
        worker: "w".to_owned(),
        class: None,
        mac: None,
        entry: entry(idx, action),
    }))
}

/// The key of a run whose results are to be proven.
#[must_use]
pub fn key() -> MacKey {
    MacKey::of_text("run")
}

/// A result with the code of its job under [`key`].
#[must_use]
pub fn proven(idx: u32, action: Action) -> RunEvent {
    let entry = entry(idx, action);
    let mac = key().mac(&[&idx.to_string(), &entry.image, &entry.tag, &entry.target]);
    RunEvent::Result(Box::new(JobResult {
        idx,
        worker: "w".to_owned(),
        class: None,
        mac: Some(mac),
        entry,
    }))
}

/// Job `idx` of [`run`], which copies [`image`].
#[must_use]
pub fn job(idx: u32) -> Job {
    let image = image();
    Job {
        source: Place {
            image: image.source.image(image.reference),
            trust: image.source_trust,
        },
        target: Place {
            image: image.target.image(image.target_reference),
            trust: image.target_trust,
        },
        image: image.image,
        tag: image.tag,
        platforms: image.platforms,
        ..numbered(idx, copy("quay.io/a/b:t", "localhost:5000/quay.io/a/b:t"))
    }
}

/// Job `idx` of [`run`], which is like `job`.
#[must_use]
pub fn numbered(idx: u32, job: Job) -> Job {
    Job {
        job_id: JobId::new(&job.run_id, idx),
        idx,
        ..job
    }
}

/// A job of [`run`] that copies all platforms of `source` to `target`, both with their tags.
///
/// # Panics
/// Where one of them names no image.
#[must_use]
pub fn copy(source: &str, target: &str) -> Job {
    let run_id = run();
    let source = place(source);
    Job {
        v: MESSAGE_VERSION,
        kind: JobKind::CheckAndCopy,
        job_id: JobId::new(&run_id, 0),
        run_id,
        idx: 0,
        trigger: Trigger::Schedule,
        image: source.image.repository.to_string(),
        tag: source.image.reference.to_string(),
        source,
        target: place(target),
        platforms: Platforms::All,
        policy: policy(),
        awaited: None,
        attempt: 1,
        defers: 0,
        first_enqueued_at: now(),
        not_before: None,
        deadline_at: None,
        history: Vec::new(),
        so_far: Work::default(),
        mac: None,
        trace: TraceContext::default(),
    }
}

/// An image with its tag, reached with verified TLS.
///
/// # Panics
/// Where `text` names no image with a tag or digest.
#[must_use]
#[expect(clippy::expect_used, reason = "tests write valid names")]
pub fn place(text: &str) -> Place {
    let (repository, reference) = split(text).expect("a valid name");
    Place {
        image: repository.image(reference.expect("a name with a tag")),
        trust: Trust::Verified,
    }
}
