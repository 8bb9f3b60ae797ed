//! What is under way, as it is told by the worker. Called for every chunk of every blob: one short lock each.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::telemetry::progress::Progress;
use image_sync_shared::run::job::{Job, JobId};
use image_sync_shared::run::outcome::{ImageResult, ResultKind};
use time::OffsetDateTime;

use super::rate::Rate;
use super::view::{ImageView, Transfers, View, WaitingView};
use crate::terminal::targets::{names_apart, place_of};

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
    in_flight: HashMap<JobId, InFlight>,
    waiting: HashMap<JobId, Waiting>,
}

#[derive(Debug)]
struct InFlight {
    name: String,
    target: String,
    started: Instant,
    /// Bytes of all blobs that it refers to, once that is known.
    planned: Option<u64>,
    /// Bytes of those that were at the target.
    found: u64,
    /// Bytes of those that were sent whole.
    sent: u64,
    /// Blobs under way.
    blobs: HashMap<Digest, Transfer>,
    rate: Rate,
    /// When a blob began, or bytes of one were sent.
    moved: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Transfer {
    sent: u64,
    size: u64,
}

/// An image that was put back.
#[derive(Debug)]
struct Waiting {
    host: String,
    why: String,
    until: OffsetDateTime,
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

    /// The run as it is now.
    pub(super) fn view(&self) -> View {
        let now = Instant::now();
        let elapsed = now - self.started;
        let mut state = self.state();
        let bytes = state.bytes;
        let rate = state.rate.note(elapsed, bytes);
        let waiting = state.waiting(self.clock.now());
        let mut images: Vec<&mut InFlight> = state.in_flight.values_mut().collect();
        images.sort_by_key(|image| image.started);
        let names = images.iter();
        let names = names.map(|image| (image.name.as_str(), image.target.as_str()));
        let names: Vec<_> = names_apart(names).map(Cow::into_owned).collect();
        let in_flight = images.into_iter().zip(names);
        let in_flight = in_flight.map(|(image, name)| image.view(name, now, self.stall));
        let in_flight: Vec<ImageView> = in_flight.collect();
        View {
            images: state.images,
            done: state.done,
            failed: state.failed,
            bytes,
            rate,
            elapsed,
            in_flight,
            waiting,
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

impl State {
    /// The images that wait, by host, the first to come first.
    fn waiting(&self, now: OffsetDateTime) -> Vec<WaitingView> {
        let mut by_host: BTreeMap<&str, WaitingView> = BTreeMap::new();
        for Waiting { host, why, until } in self.waiting.values() {
            let left = Duration::try_from(*until - now).unwrap_or_default();
            let first = by_host.entry(host).or_insert_with(|| WaitingView {
                host: host.clone(),
                images: 0,
                left,
                why: why.clone(),
            });
            first.images += 1;
            if left < first.left {
                first.left = left;
                first.why.clone_from(why);
            }
        }
        let mut waiting: Vec<WaitingView> = by_host.into_values().collect();
        waiting.sort_by_key(|host| host.left);
        waiting
    }
}

impl InFlight {
    fn new(job: &Job) -> Self {
        let now = Instant::now();
        Self {
            name: format!("{}:{}", job.image, job.tag),
            target: place_of(&job.target.image.to_string()).to_owned(),
            started: now,
            planned: None,
            found: 0,
            sent: 0,
            blobs: HashMap::new(),
            rate: Rate::default(),
            moved: now,
        }
    }

    fn view(&mut self, name: String, now: Instant, stall: Duration) -> ImageView {
        let under_way = self.blobs.values();
        let partly = under_way.map(|blob| blob.sent.min(blob.size));
        let sent = partly.fold(self.sent, u64::saturating_add);
        let since = now - self.started;
        let rate = self.rate.note(since, sent);
        let stands_still = now - self.moved;
        ImageView {
            name,
            since,
            transfers: self.planned.map(|planned| Transfers {
                sent,
                to_send: planned.saturating_sub(self.found).max(sent),
                rate,
                under_way: self.blobs.len(),
                stands_still,
                cut_in: stall.saturating_sub(stands_still),
            }),
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
        let image = InFlight::new(job);
        state.in_flight.insert(job.job_id.clone(), image);
    }

    fn blobs_planned(&self, job: &JobId, bytes: u64) {
        self.with_image(job, |image| {
            let before = image.planned.unwrap_or_default();
            image.planned = Some(before.saturating_add(bytes));
        });
    }

    fn blob_found(&self, job: &JobId, size: u64) {
        self.with_image(job, |image| image.found = image.found.saturating_add(size));
    }

    fn blob_started(&self, job: &JobId, blob: &Digest, size: u64) {
        self.with_image(job, |image| {
            image.blobs.insert(blob.clone(), Transfer { sent: 0, size });
            image.moved = Instant::now();
        });
    }

    fn blob_advanced(&self, job: &JobId, blob: &Digest, bytes: u64) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_add(bytes);
        let Some(image) = state.in_flight.get_mut(job) else {
            return;
        };
        image.moved = Instant::now();
        if let Some(transfer) = image.blobs.get_mut(blob) {
            transfer.sent = transfer.sent.saturating_add(bytes);
        }
    }

    fn blob_ended(&self, job: &JobId, blob: &Digest) {
        self.with_image(job, |image| {
            let ended = image.blobs.remove(blob);
            // One that was broken off ends too.
            if let Some(through) = ended.filter(|transfer| transfer.sent >= transfer.size) {
                image.sent = image.sent.saturating_add(through.size);
            }
        });
    }

    fn image_put_back(&self, job: &Job, why: &str, until: Option<OffsetDateTime>) {
        let mut state = self.state();
        state.in_flight.remove(&job.job_id);
        let host = job.source.image.repository.host();
        if let (Some(host), Some(until)) = (host, until) {
            let waiting = Waiting {
                host: host.to_owned(),
                why: why.to_owned(),
                until,
            };
            state.waiting.insert(job.job_id.clone(), waiting);
        }
    }

    fn image_ended(&self, job: &Job, result: &ImageResult) {
        let mut state = self.state();
        state.in_flight.remove(&job.job_id);
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

    fn transfers(view: &View, place: usize) -> (u64, u64, usize) {
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
