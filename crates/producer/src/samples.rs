//! Values and in-memory ports for the tests of this crate.

mod letters;
mod ports;

use image_sync_shared::config::ImageSpec;
use image_sync_shared::job::Policy;
use image_sync_shared::mac::MacKey;
use image_sync_shared::outcome::{Action, BlobCounts, ImageResult, JobResult};
use image_sync_shared::report::MissingImage;
use image_sync_shared::run::{ImageName, RunEvent, RunId, RunOpened, Trigger};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::config_file::Parsed;

pub(crate) use letters::FakeLetters;
pub(crate) use ports::{FakeClock, FakeControl, FakeLog, FakeQueue};

pub(crate) fn now() -> OffsetDateTime {
    datetime!(2026-11-20 12:00 UTC)
}

pub(crate) fn run() -> RunId {
    RunId::new("r1")
}

pub(crate) fn policy() -> Policy {
    Policy {
        dry_run: false,
        timeout_secs: 300,
    }
}

/// A config with these images.
pub(crate) fn config(images: &[&str]) -> Parsed {
    let images = images.join(", ");
    let text = format!("{{cache_registry: localhost:5000, images: [{images}]}}");
    crate::config_file::parse(text, "c.yaml").unwrap()
}

/// An image.
pub(crate) fn image() -> ImageSpec {
    let images = config(&["{source: quay.io/a/b, tag: t}"]).images;
    images.iter().next().unwrap()
}

/// As many images as asked for.
pub(crate) fn images(count: usize) -> Vec<ImageSpec> {
    let image = image();
    let numbered = |number: usize| ImageSpec {
        tag: format!("v{number}"),
        ..image.clone()
    };
    (0..count).map(numbered).collect()
}

pub(crate) fn opened() -> RunOpened {
    RunOpened {
        started_at: now(),
        deadline_at: now() + time::Duration::hours(1),
        trigger: Trigger::Cron,
        cache_registry: "localhost:5000".to_owned(),
        config_hash: "c0ffee".to_owned(),
        key: None,
        trace: image_sync_shared::ports::trace_context::TraceContext::default(),
        images: None,
        skip_on_error: false,
        silence_ms: 90_000,
    }
}

pub(crate) fn name(idx: u32) -> ImageName {
    ImageName {
        image: "quay.io/a/b".to_owned(),
        tag: format!("v{idx}"),
        target: format!("localhost:5000/quay.io/a/b:v{idx}"),
    }
}

/// An image without a result that was never begun.
pub(crate) fn missing(idx: u32) -> MissingImage {
    let name = name(idx);
    MissingImage {
        image: name.image,
        tag: name.tag,
        target: name.target,
        attempts: 0,
        error: None,
    }
}

pub(crate) fn chunk(first_idx: u32, past_last: u32) -> RunEvent {
    RunEvent::Chunk {
        first_idx,
        items: (first_idx..past_last).map(name).collect(),
    }
}

pub(crate) fn entry(idx: u32, action: Action) -> ImageResult {
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
        attestations_left_out: 0,
    }
}

pub(crate) fn result(idx: u32, action: Action) -> RunEvent {
    RunEvent::Result(Box::new(JobResult {
        idx,
        worker: "w".to_owned(),
        class: None,
        mac: None,
        entry: entry(idx, action),
    }))
}

/// The key of a run whose results are to be proven.
pub(crate) fn key() -> MacKey {
    MacKey::of_text("run")
}

/// A result with the code of its job under [`key`].
pub(crate) fn proven(idx: u32, action: Action) -> RunEvent {
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
