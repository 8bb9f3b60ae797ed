use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;
use image_sync_aggregator::aggregate::FinishedRun;
use image_sync_aggregator::follow_runs::ReportStore;
use image_sync_catalog::config_file;
use image_sync_queue::memo::MemoryMemo;
use image_sync_shared::config::webhooks::Sender;
use image_sync_shared::image::hint::{Hint, HintAction};
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::telemetry::measures::{Measures, Unmeasured};
use image_sync_shared::run::Trigger;
use image_sync_shared::run::report::{LeftOut, ReportHead, RunStatus};
use image_sync_testkit::images::image;
use image_sync_testkit::{Image, TokioClock};
use image_sync_webhook::ledger::Outcome;
use image_sync_webhook::receive::{EventMeasures, Received};
use image_sync_webhook::senders::Delivery;
use image_sync_worker::WorkerSettings;
use tokio::time::sleep;

use super::*;
use crate::samples::MovingTags;

const CONFIG: &str = "\
cache_registry: cache.test
images:
- {source: source.test/a, tag: '1', platform: all, cache_as: a}
- {source: source.test/b, tag: '1', platform: all, cache_as: b}
webhooks: {quay: {secret_file: secret}}
";
const MINUTE: Duration = Duration::from_secs(60);

/// Keeps what reports say.
#[derive(Default)]
struct Kept(Mutex<Vec<ReportHead>>);

#[async_trait]
impl ReportStore for Kept {
    async fn put(&self, finished: FinishedRun) -> Result<Option<LeftOut>, QueueError> {
        lock(&self.0).push(finished.head.clone());
        Ok(None)
    }
}

struct Uncounted;

impl EventMeasures for Uncounted {
    fn event_ended(&self, _: Sender, _: Outcome) {}

    fn jobs_stored(&self, _: Duration) {}
}

fn loaded() -> Loaded {
    let parsed = config_file::parse(CONFIG, "c.yaml").unwrap();
    Loaded {
        file: PathBuf::from("c.yaml"),
        config: parsed.config,
        images: parsed.images,
    }
}

struct TestWatch {
    registries: Arc<MovingTags>,
    reports: Arc<Kept>,
    rounds: Rounds,
    events: Events,
    watch: Watch,
}

impl TestWatch {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::default());
        let queue = InProcess::new(InProcessSettings::default(), Arc::clone(&clock));
        let (registries, reports) = (Arc::<MovingTags>::default(), Arc::<Kept>::default());
        let rounds = Rounds {
            catalog: Arc::new(CurrentCatalog::new(loaded())),
            registries: Arc::<MovingTags>::clone(&registries),
            creation_times: Arc::new(MemoryMemo::default()),
            queue: queue.ports().clone(),
            trigger: Trigger::Schedule,
        };
        let outside = Outside {
            registries: Arc::<MovingTags>::clone(&registries),
            memo: Arc::new(MemoryMemo::default()),
            progress: Arc::new(Silent),
            measures: Arc::new(Unmeasured),
            clock,
        };
        let of_runs: Arc<dyn Measures> = Arc::new(Unmeasured);
        let kept = Arc::<Kept>::clone(&reports);
        let events = Events::new(
            &rounds.queue,
            Arc::clone(&rounds.catalog),
            Arc::new(Uncounted),
        );
        let settings = WorkerSettings::new("sync", 4);
        Self {
            watch: Watch::new(queue, settings, outside, &of_runs, kept),
            registries,
            reports,
            rounds,
            events,
        }
    }

    /// Runs all images every `every`, and does `meanwhile`, until that ends.
    async fn run(&self, every: Duration, meanwhile: impl Future<Output = ()>) {
        let stop = CancellationToken::new();
        let publish = async {
            let all = repeat(every, &stop, || self.rounds.begin(&stop));
            tokio::join!(all, self.events.run(|| Ok(loaded()), &stop));
        };
        let ends = async {
            meanwhile.await;
            stop.cancel();
        };
        let running = Box::pin(self.watch.run(publish, &stop));
        let (ended, ()) = tokio::join!(running, ends);
        ended.unwrap();
    }

    fn push(&self, name: &str, image: &Image) {
        self.registries
            .push(&format!("source.test/{name}:1"), image);
    }

    /// The source tells of what was pushed.
    async fn tell(&self, name: &str, image: &Image) {
        let hint = Hint::new(Some("source.test"), name, HintAction::Pushed).unwrap();
        let mut hint = hint.with_reference("1").unwrap();
        hint.digest = Some(image.digest().clone());
        let delivery = Delivery {
            hints: vec![hint],
            ..Delivery::default()
        };
        let received = self.events.receiver().receive(Sender::Quay, None, delivery);
        let Received::Accepted { runs, .. } = received.await else {
            panic!("not stored")
        };
        assert_eq!(runs.len(), 1);
    }

    fn is_in_place(&self, name: &str) -> bool {
        let at = |place: &str| self.registries.digest(&format!("{place}{name}:1"));
        at("source.test/").is_some() && at("source.test/") == at("cache.test/")
    }

    fn runs_of(&self, trigger: Trigger) -> usize {
        let reports = lock(&self.reports.0);
        assert!(
            reports
                .iter()
                .all(|head| head.status == RunStatus::Complete)
        );
        reports
            .iter()
            .filter(|head| head.trigger == trigger)
            .count()
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_pushes_some_of_which_are_not_told_of_and_runs_of_all_images() {
    let test = TestWatch::new();
    for name in ["a", "b"] {
        test.push(name, &image(name));
    }
    let hour = async {
        sleep(MINUTE).await;
        assert!(
            test.is_in_place("a") && test.is_in_place("b"),
            "by the first run"
        );
        for push in 0..19 {
            let new = image(&format!("{push}"));
            // Those of b are told of, those of a are lost on their way.
            let name = if push % 2 == 0 { "b" } else { "a" };
            test.push(name, &new);
            if name == "b" {
                test.tell("b", &new).await;
                sleep(Duration::from_secs(10)).await;
                assert!(test.is_in_place("b"), "{push}: by its event");
            } else {
                assert!(!test.is_in_place("a"), "{push}: nobody told");
                sleep(Duration::from_secs(10)).await;
            }
            sleep(Duration::from_secs(170)).await;
        }
        // The last run of all images is over by now.
        sleep(3 * MINUTE).await;
    };
    test.run(10 * MINUTE, hour).await;
    assert!(test.is_in_place("a") && test.is_in_place("b"));
    assert_eq!(
        test.runs_of(Trigger::Schedule),
        7,
        "at once, and after each ten minutes"
    );
    assert_eq!(test.runs_of(Trigger::Webhook), 10);
}

#[tokio::test(start_paused = true)]
async fn runs_that_ended_are_forgotten_but_for_the_last_hundred() {
    let test = TestWatch::new();
    for name in ["a", "b"] {
        test.push(name, &image(name));
    }
    test.run(Duration::from_secs(1), sleep(10 * MINUTE)).await;
    assert!(test.runs_of(Trigger::Schedule) >= 600);
    let mut states = test.rounds.queue.states.follow().await.unwrap();
    let mut known = 0;
    while states.next(Duration::ZERO).await.unwrap().is_some() {
        known += 1;
    }
    assert_eq!(known, 100);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_open_at_the_end_has_a_report_that_says_so() {
    let test = TestWatch::new();
    test.push("a", &image("a"));
    // Of b there is nothing yet: what its event tells of is waited for.
    let told = async {
        sleep(Duration::from_secs(1)).await;
        test.tell("b", &image("b")).await;
        sleep(Duration::from_millis(50)).await;
    };
    test.run(10 * MINUTE, told).await;
    let reports = lock(&test.reports.0);
    let of_event = reports.iter().find(|head| head.trigger == Trigger::Webhook);
    let head = of_event.expect("a report of the run that was open");
    assert_eq!(head.status, RunStatus::Cancelled);
}
