//! Following runs over ports in memory.

use std::sync::Mutex;

use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::ports::runs::run_log::{RunLog, RunLogReader};
use image_sync_shared::ports::runs::run_states::RunStateReader;
use image_sync_shared::ports::telemetry::measures::Unmeasured;
use image_sync_shared::ports::telemetry::trace_context::Untraced;
use image_sync_shared::run::outcome::Action;
use image_sync_shared::run::{RunEvent, Trigger};
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::time::timeout;

use image_sync_testkit::ports::{FakeControl, FakeLog, FakeQueue};
use image_sync_testkit::{TokioClock, samples};

use super::*;

/// One open run, and what was done about it, in order.
#[derive(Clone, Default)]
struct Stores {
    done: Arc<Mutex<Vec<(&'static str, RunStatus)>>>,
    over: CancellationToken,
    /// Another aggregator was faster.
    is_second: bool,
    /// What is said of the next reports instead of storing them.
    refused: Arc<Mutex<Vec<QueueError>>>,
    /// How the run ended before anybody followed it.
    ended: Option<ReportHead>,
}

struct Once(Option<RunState>);

#[async_trait]
impl RunStateReader for Once {
    async fn next(&mut self, wait: Duration) -> Result<Option<RunState>, QueueError> {
        if self.0.is_none() {
            sleep(wait).await;
        }
        Ok(self.0.take())
    }
}

#[async_trait]
impl RunStates for Stores {
    async fn get(&self, _: &RunId) -> Result<Option<RunState>, QueueError> {
        Ok(None)
    }

    async fn end(&self, head: &ReportHead) -> Result<bool, QueueError> {
        assert_eq!(head.run_id, samples::run());
        self.done.lock().unwrap().push(("ended", head.status));
        Ok(!self.is_second)
    }

    async fn follow(&self) -> Result<Box<dyn RunStateReader>, QueueError> {
        Ok(Box::new(Once(Some(RunState {
            ended: self.ended.clone(),
            ..open_run()
        }))))
    }
}

#[async_trait]
impl ReportStore for Stores {
    async fn put(&self, mut finished: FinishedRun) -> Result<Option<LeftOut>, QueueError> {
        let mut refused = self.refused.lock().unwrap();
        if let Some(error) = refused.pop() {
            return Err(error);
        }
        let named = finished.results().count() + finished.missing().count();
        assert_eq!(finished.head.summary.total as usize, named);
        self.done
            .lock()
            .unwrap()
            .push(("stored", finished.head.status));
        Ok(None)
    }
}

/// A follower of one run with this log.
struct House {
    stores: Stores,
    control: Arc<FakeControl>,
    queue: Arc<FakeQueue>,
    follower: RunFollower,
}

impl House {
    fn with_log(events: impl IntoIterator<Item = RunEvent>) -> Self {
        let (stores, control) = (Stores::default(), Arc::new(FakeControl::default()));
        let queue = Arc::new(FakeQueue::with_room(0));
        let follower = RunFollower {
            aggregator: Aggregator {
                log: Arc::new(FakeLog::of(events)),
                clock: Arc::new(TokioClock::default()),
                traces: Arc::new(Untraced),
                measures: Arc::new(Unmeasured),
            },
            states: Arc::new(stores.clone()),
            control: control.clone(),
            queue: queue.clone(),
            reports: Arc::new(stores.clone()),
        };
        Self {
            stores,
            control,
            queue,
            follower,
        }
    }

    /// What was done about the run, once its jobs were dropped.
    async fn follow(&self) -> Vec<(&'static str, RunStatus)> {
        let until_purged = async {
            while self.queue.purged.lock().unwrap().is_empty() {
                sleep(Duration::from_millis(50)).await;
            }
            self.stores.over.cancel();
        };
        let (followed, ()) = tokio::join!(self.follower.run(&self.stores.over), until_purged);
        followed.unwrap();
        assert_eq!(*self.queue.purged.lock().unwrap(), [samples::run()]);
        self.stores.done.lock().unwrap().clone()
    }
}

fn open_run() -> RunState {
    RunState {
        run: samples::run(),
        catalog: "c0ffee".to_owned(),
        until: samples::opened().deadline_at,
        ended: None,
    }
}

fn both(status: RunStatus) -> Vec<(&'static str, RunStatus)> {
    vec![("stored", status), ("ended", status)]
}

#[tokio::test(start_paused = true)]
async fn a_report_is_stored_before_its_run_is_said_to_have_ended() {
    let house = House::with_log([
        RunEvent::Open(samples::opened()),
        RunEvent::Seal { expected: 1 },
        samples::result(0, Action::Pulled),
    ]);
    assert_eq!(house.follow().await, both(RunStatus::Complete));
    assert!(house.control.cancelled.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_did_not_end_complete_is_cancelled_so_that_its_jobs_are_not_worked() {
    let house = House::with_log([RunEvent::Open(samples::opened()), samples::chunk(0, 3)]);
    assert_eq!(house.follow().await, both(RunStatus::Abandoned));
    assert_eq!(*house.control.cancelled.lock().unwrap(), [samples::run()]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_claimed_and_never_opened_ends_abandoned_for_whoever_waits_for_it() {
    let house = House::with_log([]);
    assert_eq!(house.follow().await, both(RunStatus::Abandoned));
    let cancelled = House::with_log([]);
    cancelled.control.cancel(&samples::run()).await.unwrap();
    assert_eq!(cancelled.follow().await, both(RunStatus::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_ends_at_once_with_what_it_has() {
    let house = House::with_log([
        RunEvent::Open(samples::opened()),
        samples::chunk(0, 3),
        RunEvent::Seal { expected: 3 },
        samples::result(1, Action::Pulled),
    ]);
    let start = house.follower.aggregator.clock.now();
    let cancel = async {
        sleep(Duration::from_secs(7)).await;
        house.control.cancel(&samples::run()).await.unwrap();
    };
    let (done, ()) = tokio::join!(house.follow(), cancel);
    assert_eq!(done, both(RunStatus::Cancelled));
    let took = house.follower.aggregator.clock.now() - start;
    assert!(took < Duration::from_secs(9), "{took}");
}

#[tokio::test(start_paused = true)]
async fn jobs_that_are_published_after_the_end_of_their_run_are_dropped_too() {
    let house = House::with_log([RunEvent::Open(samples::opened()), samples::chunk(0, 3)]);
    house.control.cancel(&samples::run()).await.unwrap();
    let late = samples::job(0);
    let (queue, stop) = (&house.queue, &house.stores.over);
    let publish_late = async {
        while queue.purged.lock().unwrap().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        queue.jobs.lock().unwrap().push((Lane::Bulk, late));
        while !queue.jobs.lock().unwrap().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
    };
    let (followed, ()) = tokio::join!(house.follower.run(stop), publish_late);
    followed.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_complete_before_it_was_cancelled_stays_so() {
    let house = House::with_log([
        RunEvent::Open(samples::opened()),
        RunEvent::Seal { expected: 1 },
        samples::result(0, Action::Pulled),
    ]);
    house.control.cancel(&samples::run()).await.unwrap();
    assert_eq!(house.follow().await, both(RunStatus::Complete));
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_report_is_refused_for_long_ends_without_one() {
    let events = [
        RunEvent::Open(samples::opened()),
        RunEvent::Seal { expected: 0 },
    ];
    let full = || QueueError::Full("the store of reports".to_owned());
    let away = || QueueError::Unreachable("away".to_owned());
    let ended = ("ended", RunStatus::Complete);
    for (error, times, done) in [
        (full(), 14, vec![ended]),
        (full(), 10, both(RunStatus::Complete)),
        (away(), 14, both(RunStatus::Complete)),
    ] {
        let house = House::with_log(events.clone());
        *house.stores.refused.lock().unwrap() = vec![error; times];
        assert_eq!(house.follow().await, done, "{times} times");
    }
}

/// Counts the runs that it is told of.
#[derive(Default)]
struct Counted(Mutex<Vec<RunStatus>>);

impl Measures for Counted {
    fn run_reported(&self, status: RunStatus) {
        self.0.lock().unwrap().push(status);
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_aggregators_the_one_that_ended_the_run_counts_it() {
    for (is_second, counted) in [(false, vec![RunStatus::Complete]), (true, vec![])] {
        let mut house = House::with_log([
            RunEvent::Open(samples::opened()),
            RunEvent::Seal { expected: 0 },
        ]);
        let measures = Arc::<Counted>::default();
        house.follower.aggregator.measures = measures.clone();
        house.stores.is_second = is_second;
        house.follower.states = Arc::new(house.stores.clone());
        assert_eq!(house.follow().await, both(RunStatus::Complete));
        assert_eq!(*measures.0.lock().unwrap(), counted);
    }
}

/// Hears of one run that ended, and stops its follower.
#[derive(Default)]
struct Heard {
    told: Mutex<Option<(Trigger, RunStatus, OffsetDateTime)>>,
    over: CancellationToken,
}

impl Measures for Heard {
    fn run_ended(&self, trigger: Trigger, status: RunStatus, at: OffsetDateTime) {
        *self.told.lock().unwrap() = Some((trigger, status, at));
        self.over.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn an_aggregator_that_starts_tells_when_runs_ended_that_others_ended() {
    let mut house = House::with_log([]);
    let noon = datetime!(2026-11-20 12:00 UTC);
    let finished = FinishedRun::never_opened(&open_run(), Ending::Abandoned, noon);
    let told = (finished.head.trigger, RunStatus::Abandoned, noon);
    let heard = Arc::<Heard>::default();
    house.stores.ended = Some(finished.head);
    house.follower.aggregator.measures = heard.clone();
    house.follower.states = Arc::new(house.stores.clone());
    let followed = timeout(LOOK * 3, house.follower.run(&heard.over)).await;
    followed.expect("it should have been told").unwrap();
    assert_eq!(*heard.told.lock().unwrap(), Some(told));
    assert!(house.stores.done.lock().unwrap().is_empty());
}

/// A log that brings a defect to light the first time that it is read.
struct PanicsOnce(FakeLog, Mutex<bool>);

#[async_trait]
impl RunLog for PanicsOnce {
    async fn append(&self, run: &RunId, event: &RunEvent) -> Result<(), QueueError> {
        self.0.append(run, event).await
    }

    async fn read(&self, run: &RunId) -> Result<Box<dyn RunLogReader>, QueueError> {
        let is_first = !std::mem::replace(&mut *self.1.lock().unwrap(), true);
        assert!(!is_first, "a defect");
        self.0.read(run).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_run_is_followed_does_not_keep_its_report_away() {
    let events = [
        RunEvent::Open(samples::opened()),
        RunEvent::Seal { expected: 0 },
    ];
    let mut house = House::with_log([]);
    let log = PanicsOnce(FakeLog::of(events), Mutex::default());
    house.follower.aggregator.log = Arc::new(log);
    assert_eq!(house.follow().await, both(RunStatus::Complete));
}
