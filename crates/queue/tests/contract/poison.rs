//! Jobs that kill their workers.

use std::time::Duration;

use image_sync_shared::ports::queue::job_queue::{Delivery, Lane};

use super::backend::{Backend, assert_nothing, crash_with_one, publish, pull_one};
use super::samples::{all_of, job, letter};

pub(crate) async fn too_many_deliveries_make_a_poison_event(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    for deliveries in 1..=backend.max_deliver() {
        assert!(poisoned(backend).await.is_empty(), "after {deliveries}");
        assert_eq!(crash_with_one(backend).await, deliveries);
    }
    assert_nothing(backend).await;
    let mut events = poisoned(backend).await;
    assert_eq!(events.len(), 1);
    let event = events.remove(0);
    assert_eq!((event.job, event.lane), (job(0), Lane::Bulk));
    assert_eq!(event.deliveries, backend.max_deliver());
    assert!(poisoned(backend).await.is_empty(), "it is handed over once");
    event.settle.bury(letter("r1:0", "poison")).await.unwrap();
    event.settle.done().await.unwrap();
    backend.advance(backend.times().visibility * 2).await;
    assert_nothing(backend).await;
    assert!(poisoned(backend).await.is_empty(), "it is settled");
    assert_eq!(all_of(&*backend.ports().letters).await.len(), 1);
}

pub(crate) async fn a_waiting_janitor_gets_the_poison_event(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    let times = backend.times();
    let longer_than_that = (times.visibility + times.patience)
        * u32::try_from(backend.max_deliver()).expect("few deliveries");
    let crash_on = async {
        for _ in 0..backend.max_deliver() {
            crash_with_one(backend).await;
        }
    };
    let (events, ()) = tokio::join!(poisoned_within(backend, longer_than_that), crash_on);
    assert_eq!(events.len(), 1);
}

pub(crate) async fn the_last_delivery_may_still_be_settled(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    for _ in 1..backend.max_deliver() {
        crash_with_one(backend).await;
    }
    let last = pull_one(backend).await;
    backend.advance(backend.times().visibility / 2).await;
    last.settle.in_progress().await.unwrap();
    backend.advance(backend.times().visibility / 2).await;
    last.settle.done().await.unwrap();
    backend.advance(backend.times().visibility).await;
    assert!(poisoned(backend).await.is_empty());
    assert_nothing(backend).await;
}

pub(crate) async fn poison_does_not_hold_up_other_jobs(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    for _ in 0..backend.max_deliver() {
        crash_with_one(backend).await;
    }
    publish(backend, Lane::Bulk, &job(1)).await;
    assert_eq!(pull_one(backend).await.job, job(1));
}

async fn poisoned(backend: &dyn Backend) -> Vec<Delivery> {
    poisoned_within(backend, backend.times().quiet).await
}

async fn poisoned_within(backend: &dyn Backend, wait: Duration) -> Vec<Delivery> {
    backend.ports().jobs.poisoned(wait).await.unwrap()
}
