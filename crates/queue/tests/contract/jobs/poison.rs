//! Jobs that kill their workers.

use std::time::Duration;

use image_sync_shared::ports::queue::job_queue::{Delivery, Lane};

use crate::contract::samples::{all_of, job, letter};
use crate::contract::test_queue::{TestQueue, assert_nothing, crash_with_one, publish, pull_one};

pub(crate) async fn too_many_deliveries_make_a_poison_event(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    for deliveries in 1..=queue.max_deliver() {
        assert!(poisoned(queue).await.is_empty(), "after {deliveries}");
        assert_eq!(crash_with_one(queue).await, deliveries);
    }
    assert_nothing(queue).await;
    let mut events = poisoned(queue).await;
    assert_eq!(events.len(), 1);
    let event = events.remove(0);
    assert_eq!((event.job, event.lane), (job(0), Lane::Bulk));
    assert_eq!(event.deliveries, queue.max_deliver());
    assert!(poisoned(queue).await.is_empty(), "it is handed over once");
    event.settle.bury(letter("r1:0", "poison")).await.unwrap();
    event.settle.done().await.unwrap();
    queue.advance(queue.times().visibility * 2).await;
    assert_nothing(queue).await;
    assert!(poisoned(queue).await.is_empty(), "it is settled");
    assert_eq!(all_of(&*queue.ports().letters).await.len(), 1);
}

pub(crate) async fn a_waiting_janitor_gets_the_poison_event(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    let times = queue.times();
    let longer_than_that = (times.visibility + times.patience)
        * u32::try_from(queue.max_deliver()).expect("few deliveries");
    let crash_on = async {
        for _ in 0..queue.max_deliver() {
            crash_with_one(queue).await;
        }
    };
    let (events, ()) = tokio::join!(poisoned_within(queue, longer_than_that), crash_on);
    assert_eq!(events.len(), 1);
}

pub(crate) async fn the_last_delivery_may_still_be_settled(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    for _ in 1..queue.max_deliver() {
        crash_with_one(queue).await;
    }
    let last = pull_one(queue).await;
    queue.advance(queue.times().visibility / 2).await;
    last.settle.in_progress().await.unwrap();
    queue.advance(queue.times().visibility / 2).await;
    last.settle.done().await.unwrap();
    queue.advance(queue.times().visibility).await;
    assert!(poisoned(queue).await.is_empty());
    assert_nothing(queue).await;
}

pub(crate) async fn poison_does_not_hold_up_other_jobs(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    for _ in 0..queue.max_deliver() {
        crash_with_one(queue).await;
    }
    publish(queue, Lane::Bulk, &job(1)).await;
    assert_eq!(pull_one(queue).await.job, job(1));
}

async fn poisoned(queue: &dyn TestQueue) -> Vec<Delivery> {
    poisoned_within(queue, queue.times().quiet).await
}

async fn poisoned_within(queue: &dyn TestQueue, wait: Duration) -> Vec<Delivery> {
    queue.ports().jobs.poisoned(wait).await.unwrap()
}
