//! Publishing, and that it may be repeated.

use image_sync_shared::ports::queue::job_queue::{Lane, Stored};

use crate::contract::samples::{failure, job};
use crate::contract::test_queue::{TestQueue, assert_nothing, drain, publish, pull_one};

pub(crate) async fn a_published_job_is_stored(queue: &dyn TestQueue) {
    for idx in 0..25 {
        publish(queue, Lane::Bulk, &job(idx)).await;
    }
    let mut jobs = drain(queue, &[Lane::Bulk]).await;
    jobs.sort_by_key(|job| job.idx);
    assert_eq!(jobs, (0..25).map(job).collect::<Vec<_>>());
}

pub(crate) async fn a_repeat_inside_the_window_is_dropped(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    queue.advance(queue.times().dedupe_window / 2).await;
    assert_repeat_is_dropped(queue, Lane::Bulk).await;
    assert_eq!(drain(queue, &Lane::ALL).await.len(), 1);
}

pub(crate) async fn a_repeat_in_another_lane_is_dropped(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    assert_repeat_is_dropped(queue, Lane::Now).await;
    assert_eq!(drain(queue, &Lane::ALL).await.len(), 1);
}

pub(crate) async fn a_repeat_of_a_settled_job_is_dropped(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    pull_one(queue).await.settle.done().await.unwrap();
    assert_repeat_is_dropped(queue, Lane::Bulk).await;
    assert_nothing(queue).await;
}

pub(crate) async fn a_repeat_after_the_window_is_stored(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    pull_one(queue).await.settle.done().await.unwrap();
    let window = queue.times().dedupe_window;
    queue.advance(window + queue.times().quiet).await;
    publish(queue, Lane::Bulk, &job(0)).await;
    assert_eq!(drain(queue, &Lane::ALL).await.len(), 1);
}

pub(crate) async fn a_successor_is_no_repeat(queue: &dyn TestQueue) {
    let (first, now) = (job(0), queue.clock().now());
    let second = first.after_attempt(now, failure(), std::time::Duration::ZERO);
    publish(queue, Lane::Bulk, &first).await;
    publish(queue, Lane::Retry, &second).await;
    publish(queue, Lane::Retry, &second.deferred(now)).await;
    assert_eq!(drain(queue, &Lane::ALL).await.len(), 3);
}

async fn assert_repeat_is_dropped(queue: &dyn TestQueue, lane: Lane) {
    let stored = queue.ports().jobs.publish(lane, &job(0)).await;
    assert_eq!(stored, Ok(Stored::Duplicate));
}
