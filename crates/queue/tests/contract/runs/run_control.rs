//! Opening, closing and cancelling runs.

use image_sync_shared::ports::runs::run_control::Opening;
use image_sync_shared::run::RunId;

use crate::contract::test_queue::TestQueue;

const CATALOG: &str = "localhost:5000";

pub(crate) async fn a_second_run_of_a_catalog_waits_for_the_first(queue: &dyn TestQueue) {
    assert_eq!(open(queue, CATALOG, "r1").await, Opening::Opened);
    let busy = Opening::Busy(RunId::new("r1"));
    assert_eq!(open(queue, CATALOG, "r2").await, busy);
    assert_eq!(open(queue, CATALOG, "r3").await, busy);
}

pub(crate) async fn a_run_may_be_opened_again_by_itself(queue: &dyn TestQueue) {
    for _ in 0..2 {
        assert_eq!(open(queue, CATALOG, "r1").await, Opening::Opened);
    }
}

pub(crate) async fn catalogs_are_apart(queue: &dyn TestQueue) {
    assert_eq!(open(queue, CATALOG, "r1").await, Opening::Opened);
    assert_eq!(open(queue, "localhost:5001", "r2").await, Opening::Opened);
}

pub(crate) async fn closing_a_run_frees_its_catalog(queue: &dyn TestQueue) {
    assert_eq!(open(queue, CATALOG, "r1").await, Opening::Opened);
    close(queue, "r1").await;
    assert_eq!(open(queue, CATALOG, "r2").await, Opening::Opened);
}

pub(crate) async fn a_run_closes_only_its_own_claim(queue: &dyn TestQueue) {
    close(queue, "r1").await;
    assert_eq!(open(queue, CATALOG, "r2").await, Opening::Opened);
    close(queue, "r1").await;
    let busy = Opening::Busy(RunId::new("r2"));
    assert_eq!(open(queue, CATALOG, "r3").await, busy);
}

pub(crate) async fn a_claim_ends_at_its_time(queue: &dyn TestQueue) {
    assert_eq!(open(queue, CATALOG, "r1").await, Opening::Opened);
    queue.advance(queue.times().visibility / 2).await;
    let busy = Opening::Busy(RunId::new("r1"));
    assert_eq!(open(queue, CATALOG, "r2").await, busy);
    queue.advance(queue.times().visibility / 2).await;
    assert_eq!(open(queue, CATALOG, "r2").await, Opening::Opened);
    close(queue, "r1").await;
    let busy = Opening::Busy(RunId::new("r2"));
    assert_eq!(open(queue, CATALOG, "r3").await, busy);
}

pub(crate) async fn a_cancelled_run_is_known_as_such(queue: &dyn TestQueue) {
    let runs = &queue.ports().runs;
    let (first, second) = (RunId::new("r1"), RunId::new("r2"));
    assert!(!runs.is_cancelled(&first));
    assert_eq!(runs.was_cancelled(&first).await, Ok(false));
    runs.cancel(&first).await.unwrap();
    runs.cancel(&first).await.unwrap();
    assert!(runs.is_cancelled(&first) && !runs.is_cancelled(&second));
    assert_eq!(runs.was_cancelled(&first).await, Ok(true));
    assert_eq!(runs.was_cancelled(&second).await, Ok(false));
}

/// Opens a run for the visibility time.
async fn open(queue: &dyn TestQueue, catalog: &str, run: &str) -> Opening {
    let until = queue.clock().now() + queue.times().visibility;
    let runs = &queue.ports().runs;
    runs.open(catalog, &RunId::new(run), until).await.unwrap()
}

async fn close(queue: &dyn TestQueue, run: &str) {
    let runs = &queue.ports().runs;
    runs.close(CATALOG, &RunId::new(run)).await.unwrap();
}
