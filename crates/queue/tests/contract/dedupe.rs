//! Publishing, and that it may be repeated.

use image_sync_shared::ports::queue::job_queue::{Lane, Stored};

use super::backend::{Backend, assert_nothing, drain, publish, pull_one};
use super::samples::{failure, job};

pub(crate) async fn a_published_job_is_stored(backend: &dyn Backend) {
    for idx in 0..25 {
        publish(backend, Lane::Bulk, &job(idx)).await;
    }
    let mut jobs = drain(backend, &[Lane::Bulk]).await;
    jobs.sort_by_key(|job| job.idx);
    assert_eq!(jobs, (0..25).map(job).collect::<Vec<_>>());
}

pub(crate) async fn a_repeat_inside_the_window_is_dropped(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    backend.advance(backend.times().dedupe_window / 2).await;
    assert_repeat_is_dropped(backend, Lane::Bulk).await;
    assert_eq!(drain(backend, &Lane::ALL).await.len(), 1);
}

pub(crate) async fn a_repeat_in_another_lane_is_dropped(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    assert_repeat_is_dropped(backend, Lane::Now).await;
    assert_eq!(drain(backend, &Lane::ALL).await.len(), 1);
}

pub(crate) async fn a_repeat_of_a_settled_job_is_dropped(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    pull_one(backend).await.settle.done().await.unwrap();
    assert_repeat_is_dropped(backend, Lane::Bulk).await;
    assert_nothing(backend).await;
}

pub(crate) async fn a_repeat_after_the_window_is_stored(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    pull_one(backend).await.settle.done().await.unwrap();
    let window = backend.times().dedupe_window;
    backend.advance(window + backend.times().quiet).await;
    publish(backend, Lane::Bulk, &job(0)).await;
    assert_eq!(drain(backend, &Lane::ALL).await.len(), 1);
}

pub(crate) async fn a_successor_is_no_repeat(backend: &dyn Backend) {
    let (first, now) = (job(0), backend.clock().now());
    let second = first.after_attempt(now, failure(), std::time::Duration::ZERO);
    publish(backend, Lane::Bulk, &first).await;
    publish(backend, Lane::Retry, &second).await;
    publish(backend, Lane::Retry, &second.deferred(now)).await;
    assert_eq!(drain(backend, &Lane::ALL).await.len(), 3);
}

async fn assert_repeat_is_dropped(backend: &dyn Backend, lane: Lane) {
    let stored = backend.ports().jobs.publish(lane, &job(0)).await;
    assert_eq!(stored, Ok(Stored::Duplicate));
}
