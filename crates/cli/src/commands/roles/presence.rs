//! What a role tells of itself to those who ask, and to nobody while none does.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::fleet::{ASK_LASTS, About, Duty, Fleet, MOST_TOLD, Presence};
use image_sync_shared::run::report::PROGRAM_VERSION;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;

use crate::terminal::progress::Hand;

/// How often a worker tells what it has in hand.
const TELL: Duration = Duration::from_millis(500);
/// Whoever asks, and how often: members do not tell more often.
const SHORTEST: Duration = Duration::from_millis(100);
/// The wait before it is tried again to hear who asks.
const AGAIN: Duration = Duration::from_secs(5);

/// A role that others can see.
pub(super) struct Member {
    /// What it does.
    pub(super) duty: Duty,
    /// What results and leases call it.
    pub(super) name: String,
    /// When it began.
    pub(super) since: OffsetDateTime,
    /// How many jobs it works at the same time.
    pub(super) slots: usize,
    /// What it has in hand, if it ever has anything.
    pub(super) hand: Option<Arc<Hand>>,
}

/// The name of this machine.
fn machine() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().into_owned()
}

/// A name that no other process has, on any machine: in containers, process ids are mostly 1.
pub(super) fn own_name() -> String {
    format!("{}-{}", machine(), std::process::id())
}

impl Member {
    /// Tells of itself whenever somebody asks, and for a while after that what it has in hand.
    pub(super) async fn tell_on(&self, fleet: &dyn Fleet) -> Infallible {
        loop {
            match self.try_tell(fleet).await {
                Ok(never) => match never {},
                Err(QueueError::Unreachable(_)) => sleep(AGAIN).await,
                Err(error) => {
                    debug!(%error, "others cannot see this process");
                    return std::future::pending().await;
                }
            }
        }
    }

    /// Says that it ends.
    pub(super) async fn leave(&self, fleet: &dyn Fleet) {
        let mut last = self.presence();
        last.about.has_left = true;
        if let Err(error) = fleet.tell(&last).await {
            debug!(%error, "others are not told that this process ends");
        }
    }

    async fn try_tell(&self, fleet: &dyn Fleet) -> Result<Infallible, QueueError> {
        let mut asked = fleet.asked().await?;
        let (mut until, mut next, mut told) = (Instant::now(), None, None);
        // Who asked is answered, and that the last image is out of hand is told too.
        let mut is_due = false;
        loop {
            tokio::select! {
                () = asked.next() => {
                    let soonest = told.map_or_else(Instant::now, |at: Instant| at + SHORTEST);
                    until = Instant::now() + ASK_LASTS;
                    next = Some(next.map_or(soonest, |at: Instant| at.min(soonest)));
                    is_due = true;
                }
                () = sleep_until(next.unwrap_or(until)), if next.is_some() => {
                    let presence = self.presence();
                    let is_busy = presence.about.in_hand > 0;
                    if is_due || is_busy {
                        fleet.tell(&presence).await?;
                    }
                    is_due = is_busy;
                    let now = Instant::now();
                    told = Some(now);
                    next = (now < until).then(|| now + TELL);
                }
            }
        }
    }

    fn presence(&self) -> Presence {
        let mut images = self
            .hand
            .as_ref()
            .map(|hand| hand.images())
            .unwrap_or_default();
        let in_hand = images.len();
        images.truncate(MOST_TOLD);
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Presence {
            duty: self.duty,
            about: About {
                name: self.name.clone(),
                host: machine(),
                version: PROGRAM_VERSION.to_owned(),
                since: self.since,
                slots: number(self.slots),
                in_hand: number(in_hand),
                images,
                has_left: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use image_sync_queue::in_process::{InProcess, InProcessSettings};
    use image_sync_shared::ports::queue::fleet::Told;
    use image_sync_shared::ports::telemetry::progress::Progress as _;
    use image_sync_shared::run::outcome::Action;
    use image_sync_testkit::TokioClock;
    use tokio::task::JoinSet;
    use tokio::time::timeout_at;

    use super::*;
    use crate::samples;

    struct Bench {
        fleet: Arc<dyn Fleet>,
        told: Box<dyn Told>,
        hand: Arc<Hand>,
        tasks: JoinSet<Infallible>,
    }

    impl Bench {
        /// A worker whose task is ready to hear who asks.
        async fn new() -> Self {
            let clock = Arc::new(TokioClock::default());
            let queue = InProcess::new(InProcessSettings::default(), clock);
            let fleet = Arc::clone(&queue.ports().fleet);
            let told = fleet.listen().await.unwrap();
            let hand = Arc::new(Hand::new(Duration::from_secs(60)));
            let member = Member {
                duty: Duty::Worker,
                name: "a".to_owned(),
                since: OffsetDateTime::UNIX_EPOCH,
                slots: 4,
                hand: Some(Arc::clone(&hand)),
            };
            let of_task = Arc::clone(&fleet);
            let mut tasks = JoinSet::new();
            tasks.spawn(async move { member.tell_on(&*of_task).await });
            tokio::task::yield_now().await;
            Self {
                fleet,
                told,
                hand,
                tasks,
            }
        }

        /// What is told within this time: how many images are in hand, and when that was.
        async fn told_within(&mut self, time: Duration) -> Vec<(u32, Duration)> {
            let (begin, mut heard) = (Instant::now(), Vec::new());
            while let Ok(presence) = timeout_at(begin + time, self.told.next()).await {
                heard.push((presence.about.in_hand, begin.elapsed()));
            }
            heard
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_told_while_nobody_asks() {
        let mut bench = Bench::new().await;
        bench.hand.image_started(&samples::job(0, "nginx"));
        assert_eq!(bench.told_within(Duration::from_secs(60)).await, []);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_nothing_in_hand_answers_once() {
        let mut bench = Bench::new().await;
        bench.fleet.ask().await.unwrap();
        let heard = bench.told_within(Duration::from_secs(60)).await;
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert!(heard[0].1 < SHORTEST);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_asked_goes_on_telling_what_is_in_hand_for_a_while() {
        let mut bench = Bench::new().await;
        bench.hand.image_started(&samples::job(0, "nginx"));
        bench.fleet.ask().await.unwrap();
        let heard = bench.told_within(Duration::from_secs(60)).await;
        let last = heard.last().unwrap().1;
        let (most, told) = (ASK_LASTS.as_millis() / TELL.as_millis() + 2, heard.len());
        assert!(told > 20 && told as u128 <= most, "{told}");
        assert!(
            last + TELL >= ASK_LASTS && last <= ASK_LASTS + TELL,
            "{last:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn that_the_last_image_is_out_of_hand_is_told_once() {
        let mut bench = Bench::new().await;
        let job = samples::job(0, "nginx");
        bench.hand.image_started(&job);
        bench.fleet.ask().await.unwrap();
        let heard = bench.told_within(Duration::from_secs(1)).await;
        assert!(heard.iter().all(|(in_hand, _)| *in_hand == 1), "{heard:?}");
        bench
            .hand
            .image_ended(&job, &samples::result("nginx", Action::Pulled));
        let heard = bench.told_within(Duration::from_secs(60)).await;
        assert_eq!(
            heard
                .iter()
                .map(|(in_hand, _)| *in_hand)
                .collect::<Vec<_>>(),
            [0]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_without_end_does_not_make_members_tell_without_end() {
        let mut bench = Bench::new().await;
        let fleet = Arc::clone(&bench.fleet);
        bench.tasks.spawn(async move {
            loop {
                fleet.ask().await.unwrap();
                sleep(Duration::from_millis(1)).await;
            }
        });
        let heard = bench.told_within(Duration::from_secs(2)).await;
        assert!(heard.len() <= 21, "{}", heard.len());
    }
}
