//! What is under way, as it is told by the worker. Called for every chunk of every blob: one short lock each.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use image_sync_shared::image::digest::Digest;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::telemetry::progress::Progress;
use image_sync_shared::run::job::{Job, JobId};
use image_sync_shared::run::outcome::{ImageResult, ResultKind};

use super::rate::Rate;
use super::view::{BlobView, ImageView, View};
use crate::terminal::targets::{names_apart, place_of};

/// Keeps track of a run for the display.
#[derive(Debug)]
pub(crate) struct Board {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    images: Option<u32>,
    done: u32,
    failed: u32,
    /// Bytes of blobs sent, in all.
    bytes: u64,
    rate: Rate,
    in_flight: HashMap<JobId, InFlight>,
}

#[derive(Debug)]
struct InFlight {
    name: String,
    target: String,
    started: Instant,
    blobs: HashMap<Digest, Transfer>,
    /// Blobs that are through, and their bytes.
    done_blobs: usize,
    done_bytes: u64,
}

#[derive(Debug)]
struct Transfer {
    sent: u64,
    size: u64,
}

impl Board {
    /// A board without images.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            state: Mutex::default(),
        }
    }

    /// What is to be seen now. Each call is a sample for the rate.
    pub(super) fn view(&self) -> View {
        let now = Instant::now();
        let elapsed = now - self.started;
        let mut state = self.state();
        let bytes = state.bytes;
        let rate = state.rate.note(elapsed, bytes);
        let mut images: Vec<&InFlight> = state.in_flight.values().collect();
        images.sort_by_key(|image| image.started);
        let names = images.iter();
        let names = names.map(|image| (image.name.as_str(), image.target.as_str()));
        let names = names_apart(names);
        let in_flight = images.iter().zip(names);
        View {
            images: state.images,
            done: state.done,
            failed: state.failed,
            bytes,
            rate,
            elapsed,
            in_flight: in_flight
                .map(|(image, name)| image.view(name.into_owned(), now))
                .collect(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn with_image(&self, job: &JobId, change: impl FnOnce(&mut InFlight)) {
        if let Some(image) = self.state().in_flight.get_mut(job) {
            change(image);
        }
    }
}

impl InFlight {
    fn view(&self, name: String, now: Instant) -> ImageView {
        let mut blobs: Vec<BlobView> = self
            .blobs
            .iter()
            .map(|(digest, transfer)| BlobView {
                name: digest.hex().chars().take(8).collect(),
                sent: transfer.sent,
                size: transfer.size,
            })
            .collect();
        blobs.sort_by(|a, b| a.name.cmp(&b.name));
        ImageView {
            name,
            since: now - self.started,
            done_blobs: self.done_blobs,
            done_bytes: self.done_bytes,
            blobs,
        }
    }
}

impl Progress for Board {
    fn run_sized(&self, images: u32) {
        self.state().images = Some(images);
    }

    fn image_started(&self, job: &Job) {
        let image = InFlight {
            name: format!("{}:{}", job.image, job.tag),
            target: place_of(&job.target.image.to_string()).to_owned(),
            started: Instant::now(),
            blobs: HashMap::new(),
            done_blobs: 0,
            done_bytes: 0,
        };
        self.state().in_flight.insert(job.job_id.clone(), image);
    }

    fn blob_started(&self, job: &JobId, blob: &Digest, size: u64) {
        self.with_image(job, |image| {
            image.blobs.insert(blob.clone(), Transfer { sent: 0, size });
        });
    }

    fn blob_advanced(&self, job: &JobId, blob: &Digest, bytes: u64) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_add(bytes);
        let image = state.in_flight.get_mut(job);
        if let Some(transfer) = image.and_then(|image| image.blobs.get_mut(blob)) {
            transfer.sent += bytes;
        }
    }

    fn blob_ended(&self, job: &JobId, blob: &Digest) {
        self.with_image(job, |image| {
            let ended = image.blobs.remove(blob);
            // One that was broken off ends too.
            if let Some(through) = ended.filter(|transfer| transfer.sent >= transfer.size) {
                image.done_blobs += 1;
                image.done_bytes = image.done_bytes.saturating_add(through.size);
            }
        });
    }

    fn image_put_back(&self, job: &Job, _why: &str) {
        self.state().in_flight.remove(&job.job_id);
    }

    fn image_ended(&self, job: &Job, result: &ImageResult) {
        let mut state = self.state();
        state.in_flight.remove(&job.job_id);
        state.done += 1;
        state.failed += u32::from(result.kind() == ResultKind::Failed);
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::run::outcome::Action;

    use super::*;
    use crate::samples;

    #[test]
    fn counts_images_and_what_moves_in_them() {
        let board = Board::new();
        let (nginx, redis) = (samples::job(0, "nginx"), samples::job(1, "redis"));
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        board.run_sized(3);
        board.image_started(&nginx);
        board.image_started(&redis);
        board.blob_started(&nginx.job_id, &one, 100);
        board.blob_started(&nginx.job_id, &two, 50);
        board.blob_advanced(&nginx.job_id, &one, 60);
        board.blob_advanced(&nginx.job_id, &one, 40);
        board.blob_advanced(&nginx.job_id, &two, 20);
        board.blob_ended(&nginx.job_id, &one);

        let view = board.view();
        assert_eq!((view.images, view.done, view.bytes), (Some(3), 0, 120));
        let names: Vec<&str> = view
            .in_flight
            .iter()
            .map(|image| image.name.as_str())
            .collect();
        assert_eq!(
            names,
            ["nginx:1.27", "redis:1.27"],
            "in the order of their start"
        );
        let image = &view.in_flight[0];
        assert_eq!((image.done_blobs, image.done_bytes), (1, 100));
        let blob = &image.blobs[0];
        assert_eq!((blob.sent, blob.size, image.blobs.len()), (20, 50, 1));

        board.image_ended(&nginx, &samples::result("nginx", Action::Pulled));
        board.image_ended(&redis, &samples::result("redis", Action::Failed));
        let view = board.view();
        assert_eq!((view.done, view.failed, view.in_flight.len()), (2, 1, 0));
    }

    #[test]
    fn an_image_that_goes_to_two_targets_at_once_is_shown_with_these() {
        let board = Board::new();
        let (one, mut two) = (samples::job(0, "nginx"), samples::job(1, "nginx"));
        two.target = image_sync_testkit::samples::copy("a:1", "eu.example/nginx:1.27").target;
        board.image_started(&one);
        board.image_started(&samples::job(2, "redis"));
        board.image_started(&two);
        let names = || {
            let in_flight = board.view().in_flight.into_iter();
            in_flight.map(|image| image.name).collect::<Vec<_>>()
        };
        let expected = [
            "nginx:1.27 -> localhost:5000",
            "redis:1.27",
            "nginx:1.27 -> eu.example",
        ];
        assert_eq!(names(), expected);
        board.image_ended(&one, &samples::result("nginx", Action::Pulled));
        assert_eq!(names(), ["redis:1.27", "nginx:1.27"]);
    }

    #[test]
    fn a_blob_that_is_given_up_does_not_count_as_through() {
        let board = Board::new();
        let (job, blob) = (samples::job(0, "nginx"), Digest::of(b"one"));
        board.image_started(&job);
        board.blob_started(&job.job_id, &blob, 100);
        board.blob_advanced(&job.job_id, &blob, 60);
        board.blob_ended(&job.job_id, &blob);
        let image = &board.view().in_flight[0];
        assert_eq!(
            (image.done_blobs, image.done_bytes, image.blobs.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn an_image_that_is_put_back_is_no_longer_in_flight_and_not_done() {
        let board = Board::new();
        let job = samples::job(0, "nginx");
        board.image_started(&job);
        board.image_put_back(&job, "503");
        board.blob_advanced(&job.job_id, &Digest::of(b"late"), 7);
        let view = board.view();
        assert_eq!((view.in_flight.len(), view.done, view.bytes), (0, 0, 7));
    }
}
