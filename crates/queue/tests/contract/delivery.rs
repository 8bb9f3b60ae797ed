//! Deliveries, and when they are repeated.

use std::time::Duration;

use image_sync_shared::ports::queue::job_queue::Lane;

use super::backend::{
    Backend, assert_nothing, crash_with_one, drain, publish, pull, pull_one, pull_one_within,
};
use super::samples::{failure, job};

pub(crate) async fn a_job_arrives_as_it_was_published(backend: &dyn Backend) {
    let mut sent = job(7);
    for _ in 0..3 {
        sent = sent.after_attempt(backend.clock().now(), failure(), Duration::ZERO);
    }
    publish(backend, Lane::Now, &sent).await;
    let got = pull_one(backend).await;
    assert_eq!((&got.job, got.lane, got.deliveries), (&sent, Lane::Now, 1));
}

pub(crate) async fn the_trace_of_a_job_rides_beside_it(backend: &dyn Backend) {
    let mut sent = job(7);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    sent.trace = [("traceparent", parent), ("tracestate", "vendor=1")]
        .into_iter()
        .collect();
    publish(backend, Lane::Bulk, &sent).await;
    let got = pull_one(backend).await;
    assert_eq!(got.job.trace, sent.trace);
    let successor = got.job.deferred(backend.clock().now());
    got.settle.requeue(&successor).await.unwrap();
    assert_eq!(pull_one(backend).await.job.trace, sent.trace);
}

pub(crate) async fn a_pull_takes_no_more_than_asked_for(backend: &dyn Backend) {
    for idx in 0..5 {
        publish(backend, Lane::Bulk, &job(idx)).await;
    }
    let patience = backend.times().patience;
    assert!(pull(backend, &Lane::ALL, 0, patience).await.is_empty());
    let first = pull(backend, &Lane::ALL, 2, patience).await;
    assert!(matches!(first.len(), 1 | 2), "{} of 2", first.len());
    assert_eq!(drain(backend, &Lane::ALL).await.len(), 5 - first.len());
}

pub(crate) async fn a_pull_waits_for_a_job(backend: &dyn Backend) {
    for lane in Lane::ALL {
        let sent = job(lane as u32);
        let publish_later = async {
            backend.advance(backend.times().quiet).await;
            publish(backend, lane, &sent).await;
        };
        let (got, ()) = tokio::join!(pull_one(backend), publish_later);
        assert_eq!((&got.job, got.lane), (&sent, lane));
    }
}

pub(crate) async fn a_pull_of_an_empty_queue_ends_with_nothing(backend: &dyn Backend) {
    assert_nothing(backend).await;
    let at_once = pull(backend, &Lane::ALL, 1, Duration::ZERO).await;
    assert!(at_once.is_empty());
}

pub(crate) async fn a_delivered_job_is_not_delivered_again_before_its_time(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    let held = pull_one(backend).await;
    backend.advance(backend.times().visibility / 2).await;
    assert_nothing(backend).await;
    held.settle.done().await.unwrap();
}

pub(crate) async fn a_dropped_delivery_comes_again_after_the_visibility_time(
    backend: &dyn Backend,
) {
    publish(backend, Lane::Bulk, &job(0)).await;
    drop(pull_one(backend).await);
    assert_nothing(backend).await;
    backend.advance(backend.times().visibility).await;
    let again = pull_one(backend).await;
    assert_eq!((again.job, again.lane), (job(0), Lane::Bulk));
}

pub(crate) async fn a_waiting_pull_gets_what_a_crashed_worker_left(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    drop(pull_one(backend).await);
    let times = backend.times();
    let again = pull_one_within(backend, times.visibility + times.patience).await;
    assert_eq!((again.job, again.deliveries), (job(0), 2));
}

pub(crate) async fn a_heartbeat_prolongs_the_visibility_time(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    let held = pull_one(backend).await;
    for _ in 0..4 {
        backend.advance(backend.times().visibility / 2).await;
        held.settle.in_progress().await.unwrap();
    }
    assert_nothing(backend).await;
    drop(held);
    backend.advance(backend.times().visibility).await;
    let again = pull_one(backend).await;
    assert_eq!(again.deliveries, 2, "a heartbeat ends with its handle");
}

pub(crate) async fn deliveries_are_counted(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    for deliveries in 1..=3 {
        assert_eq!(crash_with_one(backend).await, deliveries);
    }
}

pub(crate) async fn a_settled_job_never_comes_again(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    pull_one(backend).await.settle.done().await.unwrap();
    backend.advance(backend.times().visibility * 2).await;
    assert_nothing(backend).await;
}
