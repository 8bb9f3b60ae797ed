//! Which runs there are, and how they ended.

use std::time::Duration;

use image_sync_shared::ports::runs::run_states::{RunState, RunStateReader};
use image_sync_shared::run::report::{ReportHead, RunStatus, SCHEMA_VERSION, Summary};
use image_sync_shared::run::{RunId, Trigger};
use time::OffsetDateTime;

use crate::contract::test_queue::TestQueue;

const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) async fn a_run_that_was_opened_is_known_until_when(queue: &dyn TestQueue) {
    let (states, run) = (&queue.ports().states, RunId::new("r1"));
    assert_eq!(states.get(&run).await, Ok(None));
    let until = open(queue, &run).await;
    let state = states.get(&run).await.unwrap().unwrap();
    assert_eq!((&state.run, state.catalog.as_str()), (&run, "of-r1"));
    assert_eq!((state.until, state.ended), (until, None));
}

pub(crate) async fn a_run_ends_once(queue: &dyn TestQueue) {
    let (states, run) = (&queue.ports().states, RunId::new("r1"));
    assert_eq!(states.end(&head(&run, 1)).await, Ok(false), "never opened");
    open(queue, &run).await;
    assert_eq!(states.end(&head(&run, 1)).await, Ok(true));
    assert_eq!(states.end(&head(&run, 2)).await, Ok(false));
    // Its catalog is claimed until it is closed, and it has its state still.
    open(queue, &run).await;
    let state = states.get(&run).await.unwrap().unwrap();
    assert_eq!(state.ended, Some(head(&run, 1)));
}

pub(crate) async fn who_follows_runs_gets_all_and_then_what_changes(queue: &dyn TestQueue) {
    let [one, two, three] = ["r1", "r2", "r3"].map(RunId::new);
    open(queue, &one).await;
    open(queue, &two).await;
    let states = &queue.ports().states;
    states.end(&head(&one, 1)).await.unwrap();
    let mut reader = states.follow().await.unwrap();
    let mut known = rest(queue, &mut *reader).await;
    known.sort_by(|one, other| one.run.cmp(&other.run));
    let told: Vec<_> = known
        .iter()
        .map(|state| (&state.run, state.ended.is_some()))
        .collect();
    assert_eq!(told, [(&one, true), (&two, false)]);
    let later = async {
        queue.advance(queue.times().quiet).await;
        open(queue, &three).await;
        states.end(&head(&two, 2)).await.unwrap();
    };
    let (first, ()) = tokio::join!(reader.next(queue.times().patience), later);
    assert_eq!(first.unwrap().unwrap().run, three);
    let then = rest(queue, &mut *reader).await;
    let told: Vec<_> = then
        .iter()
        .map(|state| (&state.run, state.ended.is_some()))
        .collect();
    assert_eq!(told, [(&two, true)]);
}

async fn rest(queue: &dyn TestQueue, reader: &mut dyn RunStateReader) -> Vec<RunState> {
    let mut states = Vec::new();
    while let Some(state) = reader.next(queue.times().quiet).await.unwrap() {
        states.push(state);
    }
    states
}

async fn open(queue: &dyn TestQueue, run: &RunId) -> OffsetDateTime {
    let until = queue.clock().now() + HOUR;
    let catalog = format!("of-{run}");
    let opening = queue.ports().runs.open(&catalog, run, until);
    opening.await.unwrap();
    until
}

fn head(run: &RunId, duration_ms: u64) -> ReportHead {
    ReportHead {
        schema_version: SCHEMA_VERSION,
        program_version: "0.1.0".to_owned(),
        timestamp: OffsetDateTime::UNIX_EPOCH,
        cache_registry: "localhost:5000".to_owned(),
        run_id: run.clone(),
        trigger: Trigger::Schedule,
        status: RunStatus::Complete,
        dry_run: false,
        started_at: OffsetDateTime::UNIX_EPOCH,
        duration_ms,
        bytes_copied: 0,
        summary: Summary::default(),
        left_out: None,
    }
}
