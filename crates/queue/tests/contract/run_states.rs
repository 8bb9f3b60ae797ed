//! Which runs there are, and how they ended.

use std::time::Duration;

use image_sync_shared::ports::runs::run_states::{RunState, RunStateReader};
use image_sync_shared::run::report::{ReportHead, RunStatus, Summary};
use image_sync_shared::run::{RunId, Trigger};
use time::OffsetDateTime;

use super::backend::Backend;

const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) async fn a_run_that_was_opened_is_known_until_when(backend: &dyn Backend) {
    let (states, run) = (&backend.ports().states, RunId::new("r1"));
    assert_eq!(states.get(&run).await, Ok(None));
    let until = open(backend, &run).await;
    let state = states.get(&run).await.unwrap().unwrap();
    assert_eq!((&state.run, state.catalog.as_str()), (&run, "of-r1"));
    assert_eq!((state.until, state.ended), (until, None));
}

pub(crate) async fn a_run_ends_once(backend: &dyn Backend) {
    let (states, run) = (&backend.ports().states, RunId::new("r1"));
    assert_eq!(states.end(&head(&run, 1)).await, Ok(false), "never opened");
    open(backend, &run).await;
    assert_eq!(states.end(&head(&run, 1)).await, Ok(true));
    assert_eq!(states.end(&head(&run, 2)).await, Ok(false));
    // Its catalog is claimed until it is closed, and it has its state still.
    open(backend, &run).await;
    let state = states.get(&run).await.unwrap().unwrap();
    assert_eq!(state.ended, Some(head(&run, 1)));
}

pub(crate) async fn who_follows_runs_gets_all_and_then_what_changes(backend: &dyn Backend) {
    let [one, two, three] = ["r1", "r2", "r3"].map(RunId::new);
    open(backend, &one).await;
    open(backend, &two).await;
    let states = &backend.ports().states;
    states.end(&head(&one, 1)).await.unwrap();
    let mut reader = states.follow().await.unwrap();
    let mut known = rest(backend, &mut *reader).await;
    known.sort_by(|one, other| one.run.cmp(&other.run));
    let told: Vec<_> = known
        .iter()
        .map(|state| (&state.run, state.ended.is_some()))
        .collect();
    assert_eq!(told, [(&one, true), (&two, false)]);
    let later = async {
        backend.advance(backend.times().quiet).await;
        open(backend, &three).await;
        states.end(&head(&two, 2)).await.unwrap();
    };
    let (first, ()) = tokio::join!(reader.next(backend.times().patience), later);
    assert_eq!(first.unwrap().unwrap().run, three);
    let then = rest(backend, &mut *reader).await;
    let told: Vec<_> = then
        .iter()
        .map(|state| (&state.run, state.ended.is_some()))
        .collect();
    assert_eq!(told, [(&two, true)]);
}

async fn rest(backend: &dyn Backend, reader: &mut dyn RunStateReader) -> Vec<RunState> {
    let mut states = Vec::new();
    while let Some(state) = reader.next(backend.times().quiet).await.unwrap() {
        states.push(state);
    }
    states
}

async fn open(backend: &dyn Backend, run: &RunId) -> OffsetDateTime {
    let until = backend.clock().now() + HOUR;
    let catalog = format!("of-{run}");
    let opening = backend.ports().runs.open(&catalog, run, until);
    opening.await.unwrap();
    until
}

fn head(run: &RunId, duration_ms: u64) -> ReportHead {
    ReportHead {
        timestamp: OffsetDateTime::UNIX_EPOCH,
        cache_registry: "localhost:5000".to_owned(),
        run_id: run.clone(),
        trigger: Trigger::Cron,
        status: RunStatus::Complete,
        started_at: OffsetDateTime::UNIX_EPOCH,
        duration_ms,
        bytes_copied: 0,
        summary: Summary::default(),
        left_out: None,
    }
}
