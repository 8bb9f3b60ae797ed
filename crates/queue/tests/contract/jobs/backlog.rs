//! How much there is to do.

use std::time::Duration;

use image_sync_shared::ports::queue::backlog::LaneLength;
use image_sync_shared::ports::queue::job_queue::Lane;

use crate::contract::samples::{held_job, job};
use crate::contract::test_queue::{TestQueue, crash_with_one, publish, pull};

pub(crate) async fn jobs_are_counted_where_they_stand(queue: &dyn TestQueue) {
    let later = queue.clock().now() + Duration::from_secs(3_600);
    for idx in 0..3 {
        publish(queue, Lane::Bulk, &job(idx)).await;
    }
    publish(queue, Lane::Now, &job(3)).await;
    publish(queue, Lane::Retry, &held_job(4, later)).await;
    let in_hand = pull(queue, &[Lane::Bulk], 2, queue.times().patience).await;
    assert_eq!(in_hand.len(), 2);
    let length = queue.ports().backlog.length().await.unwrap();
    let lanes = ["now", "retry", "bulk", "held", "poison"];
    let told = |lane: &LaneLength| (lane.lane, lane.stored);
    let stored: Vec<_> = length.jobs.iter().map(told).collect();
    assert_eq!(
        stored,
        lanes.into_iter().zip([1, 0, 3, 1, 0]).collect::<Vec<_>>()
    );
    // Who waits for a job that is not due may have it in hand meanwhile.
    let in_hand: Vec<_> = length.jobs[..3].iter().map(|lane| lane.in_hand).collect();
    assert_eq!(in_hand, [0, 0, 2]);
}

pub(crate) async fn poison_is_counted_apart(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    for _ in 0..queue.max_deliver() {
        crash_with_one(queue).await;
    }
    let handed_over = queue.ports().jobs.poisoned(queue.times().patience).await;
    let handed_over = handed_over.unwrap();
    assert_eq!(handed_over.len(), 1);
    let length = queue.ports().backlog.length().await.unwrap();
    let stored: Vec<_> = length.jobs.iter().map(|lane| lane.stored).collect();
    assert_eq!(stored, [0, 0, 0, 0, 1]);
    assert_eq!(length.jobs[2].in_hand, 0);
    assert_eq!(queue.ports().backlog.is_deserted().await, Ok(false));
    handed_over[0].settle.done().await.unwrap();
}

pub(crate) async fn jobs_that_nobody_takes_are_deserted(queue: &dyn TestQueue) {
    let backlog = &queue.ports().backlog;
    assert_eq!(backlog.is_deserted().await, Ok(false), "there is nothing");
    publish(queue, Lane::Bulk, &job(0)).await;
    publish(queue, Lane::Bulk, &job(1)).await;
    assert_eq!(backlog.is_deserted().await, Ok(true));
    let taken = pull(queue, &[Lane::Bulk], 1, queue.times().patience).await;
    assert_eq!(backlog.is_deserted().await, Ok(false), "one is in hand");
    taken[0].settle.done().await.unwrap();
    assert_eq!(backlog.is_deserted().await, Ok(true));
}

pub(crate) async fn a_job_that_is_not_due_makes_no_queue_deserted(queue: &dyn TestQueue) {
    let later = queue.clock().now() + Duration::from_secs(3_600);
    publish(queue, Lane::Retry, &held_job(0, later)).await;
    assert_eq!(queue.ports().backlog.is_deserted().await, Ok(false));
}
