//! Jobs that are due later.

use std::time::Duration;

use image_sync_shared::ports::queue::job_queue::Lane;

use super::backend::{Backend, assert_nothing, publish, pull_one, pull_one_within};
use super::samples::held_job;

pub(crate) async fn a_job_is_held_until_it_is_due(backend: &dyn Backend) {
    let hold = backend.times().visibility;
    for (idx, lane) in (0..).zip(Lane::ALL) {
        let due = backend.clock().now() + hold;
        publish(backend, lane, &held_job(idx, due)).await;
        assert_nothing(backend).await;
        backend.advance(hold / 2).await;
        assert_nothing(backend).await;
        backend.advance(hold / 2).await;
        let got = pull_one(backend).await;
        assert_eq!((got.job, got.deliveries), (held_job(idx, due), 1));
        got.settle.done().await.unwrap();
    }
}

pub(crate) async fn a_waiting_pull_gets_a_job_when_it_is_due(backend: &dyn Backend) {
    let times = backend.times();
    let due = backend.clock().now() + times.visibility / 2;
    publish(backend, Lane::Retry, &held_job(0, due)).await;
    let got = pull_one_within(backend, times.visibility / 2 + times.patience).await;
    assert!(backend.clock().now() >= due, "it came too early");
    assert_eq!(got.job.idx, 0);
}

pub(crate) async fn a_job_whose_time_has_passed_is_due_at_once(backend: &dyn Backend) {
    let long_ago = backend.clock().now() - Duration::from_secs(3_600);
    publish(backend, Lane::Retry, &held_job(0, long_ago)).await;
    assert_eq!(pull_one(backend).await.job.idx, 0);
}

pub(crate) async fn jobs_become_due_each_in_its_own_time(backend: &dyn Backend) {
    let (start, step) = (backend.clock().now(), backend.times().visibility / 2);
    for idx in [3, 1, 2] {
        publish(backend, Lane::Retry, &held_job(idx, start + step * idx)).await;
    }
    for idx in 1..=3 {
        let got = pull_one_within(backend, step + backend.times().patience).await;
        assert_eq!(got.job.idx, idx);
        assert!(backend.clock().now() >= start + step * idx);
        got.settle.done().await.unwrap();
    }
}
