//! Deliveries, and when they are repeated.

use std::time::Duration;

use image_sync_shared::ports::queue::job_queue::Lane;

use crate::contract::samples::{failure, job};
use crate::contract::test_queue::{
    TestQueue, assert_nothing, crash_with_one, drain, publish, pull, pull_one, pull_one_within,
};

pub(crate) async fn a_job_arrives_as_it_was_published(queue: &dyn TestQueue) {
    let mut sent = job(7);
    for _ in 0..3 {
        sent = sent.after_attempt(queue.clock().now(), failure(), Duration::ZERO);
    }
    publish(queue, Lane::Now, &sent).await;
    let got = pull_one(queue).await;
    assert_eq!((&got.job, got.lane, got.deliveries), (&sent, Lane::Now, 1));
}

pub(crate) async fn the_trace_of_a_job_rides_beside_it(queue: &dyn TestQueue) {
    let mut sent = job(7);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    sent.trace = [("traceparent", parent), ("tracestate", "vendor=1")]
        .into_iter()
        .collect();
    publish(queue, Lane::Bulk, &sent).await;
    let got = pull_one(queue).await;
    assert_eq!(got.job.trace, sent.trace);
    let successor = got.job.deferred(queue.clock().now());
    got.settle.requeue(&successor).await.unwrap();
    assert_eq!(pull_one(queue).await.job.trace, sent.trace);
}

pub(crate) async fn a_pull_takes_no_more_than_asked_for(queue: &dyn TestQueue) {
    for idx in 0..5 {
        publish(queue, Lane::Bulk, &job(idx)).await;
    }
    let patience = queue.times().patience;
    assert!(pull(queue, &Lane::ALL, 0, patience).await.is_empty());
    let first = pull(queue, &Lane::ALL, 2, patience).await;
    assert!(matches!(first.len(), 1 | 2), "{} of 2", first.len());
    assert_eq!(drain(queue, &Lane::ALL).await.len(), 5 - first.len());
}

pub(crate) async fn a_pull_waits_for_a_job(queue: &dyn TestQueue) {
    for lane in Lane::ALL {
        let sent = job(lane as u32);
        let publish_later = async {
            queue.advance(queue.times().quiet).await;
            publish(queue, lane, &sent).await;
        };
        let (got, ()) = tokio::join!(pull_one(queue), publish_later);
        assert_eq!((&got.job, got.lane), (&sent, lane));
    }
}

pub(crate) async fn a_pull_of_an_empty_queue_ends_with_nothing(queue: &dyn TestQueue) {
    assert_nothing(queue).await;
    let at_once = pull(queue, &Lane::ALL, 1, Duration::ZERO).await;
    assert!(at_once.is_empty());
}

pub(crate) async fn a_delivered_job_is_not_delivered_again_before_its_time(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    let held = pull_one(queue).await;
    queue.advance(queue.times().visibility / 2).await;
    assert_nothing(queue).await;
    held.settle.done().await.unwrap();
}

pub(crate) async fn a_dropped_delivery_comes_again_after_the_visibility_time(
    queue: &dyn TestQueue,
) {
    publish(queue, Lane::Bulk, &job(0)).await;
    drop(pull_one(queue).await);
    assert_nothing(queue).await;
    queue.advance(queue.times().visibility).await;
    let again = pull_one(queue).await;
    assert_eq!((again.job, again.lane), (job(0), Lane::Bulk));
}

pub(crate) async fn a_waiting_pull_gets_what_a_crashed_worker_left(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    drop(pull_one(queue).await);
    let times = queue.times();
    let again = pull_one_within(queue, times.visibility + times.patience).await;
    assert_eq!((again.job, again.deliveries), (job(0), 2));
}

pub(crate) async fn a_heartbeat_prolongs_the_visibility_time(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    let held = pull_one(queue).await;
    for _ in 0..4 {
        queue.advance(queue.times().visibility / 2).await;
        held.settle.in_progress().await.unwrap();
    }
    assert_nothing(queue).await;
    drop(held);
    queue.advance(queue.times().visibility).await;
    let again = pull_one(queue).await;
    assert_eq!(again.deliveries, 2, "a heartbeat ends with its handle");
}

pub(crate) async fn deliveries_are_counted(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    for deliveries in 1..=3 {
        assert_eq!(crash_with_one(queue).await, deliveries);
    }
}

pub(crate) async fn a_settled_job_never_comes_again(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    pull_one(queue).await.settle.done().await.unwrap();
    queue.advance(queue.times().visibility * 2).await;
    assert_nothing(queue).await;
}
