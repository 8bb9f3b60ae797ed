//! What is under way, as it is told by the worker. Called for every chunk of every blob: one short lock each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::telemetry::progress::Progress;
use image_sync_shared::run::job::{Job, JobId};
use image_sync_shared::run::outcome::{ImageResult, ResultKind};
use time::OffsetDateTime;

use super::Viewed;
use super::in_flight::InFlight;
use super::rate::Rate;
use super::view::{View, WaitingImage, by_host, named_apart};

/// A run under way.
pub(crate) struct Board {
    started: Instant,
    clock: Arc<dyn Clock>,
    /// How long a transfer may stand still before it is cut.
    stall: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    images: Option<u32>,
    done: u32,
    failed: u32,
    bytes: u64,
    rate: Rate,
    in_flight: InFlight,
    /// Images that were put back.
    waiting: HashMap<JobId, WaitingImage>,
}

impl Board {
    /// A run that begins now.
    pub(crate) fn new(stall: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            started: Instant::now(),
            clock,
            stall,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Viewed for Board {
    fn view(&self) -> View {
        let now = Instant::now();
        let elapsed = now - self.started;
        let mut state = self.state();
        let bytes = state.bytes;
        let rate = state.rate.note(elapsed, bytes);
        let waiting = by_host(state.waiting.values(), self.clock.now());
        let in_flight = state.in_flight.images(self.stall);
        let in_flight = named_apart(in_flight.into_iter().map(|image| (image, None)));
        View {
            images: state.images,
            done: state.done,
            failed: state.failed,
            bytes,
            rate,
            elapsed,
            in_flight,
            waiting,
            ending: None,
        }
    }
}

impl Progress for Board {
    fn run_sized(&self, images: u32) {
        self.state().images = Some(images);
    }

    fn image_started(&self, job: &Job) {
        let mut state = self.state();
        state.waiting.remove(&job.job_id);
        state.in_flight.started(job);
    }

    fn blobs_planned(&self, job: &JobId, bytes: u64) {
        self.state().in_flight.planned(job, bytes);
    }

    fn blob_found(&self, job: &JobId, size: u64) {
        self.state().in_flight.found(job, size);
    }

    fn blob_started(&self, job: &JobId, blob: &Digest, size: u64) {
        self.state().in_flight.blob_started(job, blob, size);
    }

    fn blob_advanced(&self, job: &JobId, blob: &Digest, bytes: u64) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_add(bytes);
        state.in_flight.blob_advanced(job, blob, bytes);
    }

    fn blob_ended(&self, job: &JobId, blob: &Digest) {
        self.state().in_flight.blob_ended(job, blob);
    }

    fn image_put_back(&self, job: &Job, why: &str, until: Option<OffsetDateTime>) {
        let mut state = self.state();
        state.in_flight.ended(&job.job_id);
        let host = job.source.image.repository.host();
        if let (Some(host), Some(until)) = (host, until) {
            let waiting = WaitingImage {
                host: host.to_owned(),
                why: why.to_owned(),
                until,
            };
            state.waiting.insert(job.job_id.clone(), waiting);
        }
    }

    fn image_ended(&self, job: &Job, result: &ImageResult) {
        let mut state = self.state();
        state.in_flight.ended(&job.job_id);
        state.waiting.remove(&job.job_id);
        state.done += 1;
        state.failed += u32::from(result.kind() == ResultKind::Failed);
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::run::outcome::Action;
    use image_sync_testkit::TokioClock;
    use time::OffsetDateTime;

    use super::*;
    use crate::samples;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn board() -> Board {
        let clock = Arc::new(TokioClock::starting_at(NOW));
        Board::new(Duration::from_secs(60), clock)
    }

    fn transfers(view: &View, place: usize) -> (u64, u64, u32) {
        let transfers = view.in_flight[place].transfers.unwrap();
        (transfers.sent, transfers.to_send, transfers.under_way)
    }

    #[tokio::test]
    async fn counts_images_and_what_moves_in_them() {
        let board = board();
        let (nginx, redis) = (samples::job(0, "nginx"), samples::job(1, "redis"));
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        board.run_sized(3);
        board.image_started(&nginx);
        board.image_started(&redis);
        board.blobs_planned(&nginx.job_id, 190);
        board.blob_found(&nginx.job_id, 40);
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
        assert_eq!(transfers(&view, 0), (120, 150, 1));
        assert!(view.in_flight[1].transfers.is_none(), "it is being checked");

        board.image_ended(&nginx, &samples::result("nginx", Action::Pulled));
        board.image_ended(&redis, &samples::result("redis", Action::Failed));
        let view = board.view();
        assert_eq!((view.done, view.failed, view.in_flight.len()), (2, 1, 0));
    }

    #[tokio::test]
    async fn an_image_that_goes_to_two_targets_at_once_is_shown_with_these() {
        let board = board();
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

    #[tokio::test]
    async fn a_blob_that_is_given_up_does_not_count_as_sent() {
        let board = board();
        let (job, blob) = (samples::job(0, "nginx"), Digest::of(b"one"));
        board.image_started(&job);
        board.blobs_planned(&job.job_id, 100);
        board.blob_started(&job.job_id, &blob, 100);
        board.blob_advanced(&job.job_id, &blob, 60);
        assert_eq!(transfers(&board.view(), 0), (60, 100, 1));
        board.blob_ended(&job.job_id, &blob);
        assert_eq!(transfers(&board.view(), 0), (0, 100, 0));
    }

    #[tokio::test]
    async fn an_image_that_is_put_back_waits_with_others_of_its_registry() {
        let board = board();
        let jobs = [0, 1, 2].map(|number| samples::job(number, "nginx"));
        let after = |seconds| Some(NOW + Duration::from_secs(seconds));
        for (job, (why, until)) in jobs.iter().zip([
            ("503", after(90)),
            ("429", after(30)),
            ("the run was cancelled", None),
        ]) {
            board.image_started(job);
            board.image_put_back(job, why, until);
        }
        board.blob_advanced(&jobs[0].job_id, &Digest::of(b"late"), 7);
        let view = board.view();
        assert_eq!((view.in_flight.len(), view.done, view.bytes), (0, 0, 7));
        let [host] = &view.waiting[..] else {
            panic!("one registry: {:?}", view.waiting)
        };
        assert_eq!((host.host.as_str(), host.images), ("docker.io", 2));
        assert_eq!((host.why.as_str(), host.left.as_secs()), ("429", 29));

        board.image_started(&jobs[1]);
        assert_eq!(board.view().waiting[0].images, 1);
        board.image_ended(&jobs[0], &samples::result("nginx", Action::Pulled));
        assert!(board.view().waiting.is_empty());
    }
}
