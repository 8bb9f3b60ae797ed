//! A run that others carry out: what its log says, and what the workers tell that have its images in hand.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use image_sync_shared::panics::lock;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::fleet::{About, ImageInHand, Transfers};
use image_sync_shared::run::RunId;
use time::OffsetDateTime;

use super::Viewed;
use super::rate::Rate;
use super::view::{View, WaitingImage, by_host, named_apart};

/// What a worker had in hand that is silent for so long is shown no longer. It tells twice a second.
const SILENT: Duration = Duration::from_secs(5);
/// So many workers are listened to at most.
const MOST_WORKERS: usize = 1_000;

/// A run under way elsewhere.
pub(crate) struct FleetBoard {
    run: RunId,
    clock: Arc<dyn Clock>,
    began: Instant,
    state: Mutex<State>,
}

/// What the log of a run says of it as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// How many images it has, once that is known.
    pub(crate) images: Option<u32>,
    /// Those with a result.
    pub(crate) done: u32,
    /// Those that failed.
    pub(crate) failed: u32,
    /// Bytes that the results say were sent.
    pub(crate) bytes: u64,
    /// When it was opened.
    pub(crate) started_at: Option<OffsetDateTime>,
}

#[derive(Default)]
struct State {
    standing: Standing,
    /// Whether all of its log was read that there was at first: what was done before is not what is done now.
    is_up_to_date: bool,
    bytes: u64,
    rate: Rate,
    workers: BTreeMap<String, Heard>,
    waiting: HashMap<u32, WaitingImage>,
    /// Images that have their results. What workers tell of them was on its way when they ended.
    ended: HashSet<u32>,
}

/// What a worker told last.
struct Heard {
    at: Instant,
    images: Vec<ImageInHand>,
}

impl FleetBoard {
    pub(super) fn new(run: RunId, clock: Arc<dyn Clock>) -> Self {
        Self {
            run,
            clock,
            began: Instant::now(),
            state: Mutex::default(),
        }
    }

    /// A worker tells what it has in hand.
    pub(crate) fn heard(&self, about: About) {
        let mut state = self.state();
        if about.has_left {
            state.workers.remove(&about.name);
            return;
        }
        let before = state.workers.get(&about.name);
        if before.is_none() && state.workers.len() >= MOST_WORKERS {
            return;
        }
        let known = before.map_or(&[][..], |heard| &heard.images);
        let images = about.images.into_iter();
        let is_shown =
            |image: &ImageInHand| image.run == self.run && !state.ended.contains(&image.idx);
        let images: Vec<ImageInHand> = images.filter(is_shown).collect();
        let more = images.iter().map(|image| grown(image, known));
        let more = more.fold(0, u64::saturating_add);
        state.bytes = state.bytes.saturating_add(more);
        let at = Instant::now();
        state.workers.insert(about.name, Heard { at, images });
    }

    /// The log was read so far.
    pub(crate) fn stands(&self, standing: Standing) {
        self.state().standing = standing;
    }

    /// All of the log was read that there is.
    pub(crate) fn is_up_to_date(&self) {
        self.state().is_up_to_date = true;
    }

    /// Image `idx` was put back, and comes again then.
    pub(crate) fn put_back(&self, idx: u32, host: String, why: String, until: OffsetDateTime) {
        let image = WaitingImage { host, why, until };
        self.state().waiting.insert(idx, image);
    }

    /// Image `idx` has its result.
    pub(crate) fn ended(&self, idx: u32) {
        let mut state = self.state();
        state.waiting.remove(&idx);
        state.ended.insert(idx);
    }

    /// The run as it is at this moment.
    fn view_at(&self, now: Instant) -> View {
        let time = self.clock.now();
        let mut state = self.state();
        let in_hand = state.in_hand(now);
        let under_way = in_hand.iter().map(|(image, _)| sent(image));
        let told = under_way.fold(state.standing.bytes, u64::saturating_add);
        // Workers tell of what failed too, and the log of what nobody told.
        state.bytes = state.bytes.max(told);
        let (bytes, here) = (state.bytes, now - self.began);
        let rate = if state.is_up_to_date {
            state.rate.note(here, bytes)
        } else {
            0
        };
        let Standing {
            images,
            done,
            failed,
            started_at,
            ..
        } = state.standing;
        let since_start = started_at.and_then(|at| Duration::try_from(time - at).ok());
        let waiting = state.waiting.values();
        let waiting = waiting.filter(|image| image.until > time);
        View {
            images,
            done,
            failed,
            bytes,
            rate,
            elapsed: since_start.unwrap_or(here),
            in_flight: named_apart(in_hand.into_iter()),
            waiting: by_host(waiting, time),
            ending: None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Bytes that were sent of an image since it was told of last.
fn grown(image: &ImageInHand, known: &[ImageInHand]) -> u64 {
    let is_same = |other: &&ImageInHand| {
        // One that is in hand for a shorter time is another attempt.
        other.idx == image.idx && other.since <= image.since
    };
    let before = known.iter().find(is_same).map_or(0, sent);
    sent(image).saturating_sub(before)
}

fn sent(image: &ImageInHand) -> u64 {
    image.transfers.map_or(0, |Transfers { sent, .. }| sent)
}

impl State {
    fn in_hand(&self, now: Instant) -> Vec<(ImageInHand, Option<String>)> {
        let heard = self.workers.iter();
        let heard = heard.filter(|(_, heard)| now - heard.at < SILENT);
        let mut images: Vec<_> = heard
            .flat_map(|(worker, heard)| {
                let age = now - heard.at;
                let images = heard.images.iter();
                let images = images.filter(|image| !self.ended.contains(&image.idx));
                let images = images.cloned();
                images.map(move |image| (aged(image, age), Some(worker.clone())))
            })
            .collect();
        images.sort_by_key(|(image, _)| std::cmp::Reverse(image.since));
        images
    }
}

/// An image that was told of some time ago.
fn aged(image: ImageInHand, age: Duration) -> ImageInHand {
    ImageInHand {
        since: image.since.saturating_add(age),
        ..image
    }
}

impl Viewed for FleetBoard {
    fn view(&self) -> View {
        self.view_at(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use image_sync_testkit::TokioClock;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn board() -> FleetBoard {
        let clock = Arc::new(TokioClock::starting_at(NOW));
        FleetBoard::new(RunId::new("r1"), clock)
    }

    fn image(run: &str, image: &str, since: u64, sent: u64) -> ImageInHand {
        ImageInHand {
            run: RunId::new(run),
            idx: u32::from(image.as_bytes()[0]),
            image: image.to_owned(),
            target: format!("localhost:5000/{image}"),
            since: Duration::from_secs(since),
            transfers: Some(Transfers {
                sent,
                to_send: 100,
                ..Transfers::default()
            }),
        }
    }

    fn worker(name: &str, images: Vec<ImageInHand>) -> About {
        About {
            name: name.to_owned(),
            host: "h".to_owned(),
            version: "0.1.0".to_owned(),
            since: NOW,
            slots: 4,
            in_hand: 1,
            images,
            has_left: false,
        }
    }

    /// What is shown: bytes, and images with their workers.
    fn shown(board: &FleetBoard) -> (u64, Vec<String>) {
        let view = board.view();
        let images = view.in_flight.into_iter();
        let images = images.map(|image| format!("{} {}", image.name, image.worker.unwrap()));
        (view.bytes, images.collect())
    }

    #[tokio::test]
    async fn images_of_the_run_are_shown_with_their_workers_the_oldest_first() {
        let board = board();
        board.heard(worker("a", vec![image("r1", "nginx:1", 3, 10)]));
        let of_b = vec![image("r1", "redis:7", 9, 5), image("r2", "other:1", 7, 99)];
        board.heard(worker("b", of_b));
        let expected = ["redis:7 b", "nginx:1 a"].map(str::to_owned).to_vec();
        assert_eq!(shown(&board), (15, expected));
        let left = About {
            has_left: true,
            ..worker("b", Vec::new())
        };
        board.heard(left);
        assert_eq!(shown(&board), (15, vec!["nginx:1 a".to_owned()]));
    }

    #[tokio::test]
    async fn what_a_silent_worker_had_in_hand_is_shown_no_longer() {
        let board = board();
        board.heard(worker("a", vec![image("r1", "nginx:1", 3, 10)]));
        let told = |board: &FleetBoard, age| {
            let now = board.state().workers["a"].at + age;
            board.state().in_hand(now).len()
        };
        assert_eq!(told(&board, SILENT.mul_f32(0.99)), 1);
        assert_eq!(told(&board, SILENT), 0);
    }

    #[tokio::test]
    async fn bytes_are_those_of_the_log_and_of_what_is_in_hand_and_none_is_counted_twice() {
        let board = board();
        let done = |done, bytes| Standing {
            images: Some(3),
            done,
            bytes,
            ..Standing::default()
        };
        board.stands(done(1, 1000));
        board.heard(worker("a", vec![image("r1", "nginx:1", 3, 10)]));
        assert_eq!(board.view().bytes, 1010);
        board.heard(worker("a", vec![image("r1", "nginx:1", 4, 60)]));
        assert_eq!(board.view().bytes, 1060);
        board.heard(worker("a", vec![image("r1", "nginx:1", 0, 5)]));
        assert_eq!(board.view().bytes, 1065, "another attempt sends them again");
        board.heard(worker("a", Vec::new()));
        board.stands(done(2, 1100));
        let view = board.view();
        assert_eq!((view.bytes, view.done, view.images), (1100, 2, Some(3)));
    }

    #[tokio::test]
    async fn what_a_worker_tells_of_an_image_that_has_its_result_does_not_count_again() {
        let board = board();
        board.heard(worker("a", vec![image("r1", "nginx:1", 3, 90)]));
        board.stands(Standing {
            done: 1,
            bytes: 100,
            ..Standing::default()
        });
        board.ended(image("r1", "nginx:1", 0, 0).idx);
        assert_eq!(shown(&board), (100, Vec::new()));
        board.heard(worker("a", vec![image("r1", "nginx:1", 4, 95)]));
        assert_eq!(shown(&board), (100, Vec::new()));
    }

    #[tokio::test]
    async fn what_was_done_before_is_no_rate() {
        let board = board();
        board.stands(Standing {
            bytes: 1_000_000,
            ..Standing::default()
        });
        let rate = |millis| {
            board
                .view_at(board.began + Duration::from_millis(millis))
                .rate
        };
        assert_eq!(rate(100), 0);
        board.is_up_to_date();
        assert_eq!((rate(200), rate(300)), (0, 0));
        board.heard(worker("a", vec![image("r1", "nginx:1", 3, 500)]));
        assert_eq!(rate(1200), 500);
    }

    #[tokio::test]
    async fn images_wait_until_their_time_or_their_result() {
        let board = board();
        let until = |seconds| NOW + Duration::from_secs(seconds);
        for (idx, seconds) in [(0, 60), (1, 90), (2, 60)] {
            let (host, why) = ("ghcr.io".to_owned(), "429".to_owned());
            board.put_back(idx, host, why, until(seconds));
        }
        board.ended(2);
        board.put_back(3, "quay.io".to_owned(), "503".to_owned(), NOW);
        let waiting = board.view().waiting;
        let told = waiting.iter().map(|host| (host.host.as_str(), host.images));
        assert_eq!(told.collect::<Vec<_>>(), [("ghcr.io", 2)]);
    }

    #[tokio::test]
    async fn the_number_of_workers_is_bounded() {
        let board = board();
        for number in 0..2 * MOST_WORKERS {
            let name = number.to_string();
            board.heard(worker(&name, vec![image("r1", "nginx:1", 3, 10)]));
        }
        assert_eq!(board.view().in_flight.len(), MOST_WORKERS);
    }
}
