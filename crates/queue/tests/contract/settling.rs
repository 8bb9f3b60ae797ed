//! Settling deliveries.

use std::time::Duration;

use image_sync_shared::ports::queue::job_queue::Lane;

use super::backend::{Backend, assert_nothing, crash_with_one, drain, publish, pull_one};
use super::samples::{all_of, failure, job, letter};

pub(crate) async fn a_requeued_job_keeps_its_history_and_counts(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    let (wait, start) = (backend.times().visibility / 2, backend.clock().now());
    for attempt in 1..=3 {
        let got = pull_one(backend).await;
        assert_eq!(
            (got.job.attempt, got.job.history.len()),
            (attempt, attempt as usize - 1)
        );
        let mut successor = got
            .job
            .after_attempt(backend.clock().now(), failure(), wait);
        successor.so_far.bytes_copied += 1000;
        got.settle.requeue(&successor).await.unwrap();
        assert_nothing(backend).await;
        backend.advance(wait).await;
    }
    let last = pull_one(backend).await;
    assert_eq!((last.lane, last.job.attempt), (Lane::Retry, 4));
    assert_eq!(last.job.first_enqueued_at, job(0).first_enqueued_at);
    assert_eq!(last.job.history.len(), 3);
    assert_eq!(last.job.so_far.bytes_copied, 3000);
    assert!(
        last.job
            .history
            .iter()
            .all(|past| past.failure == failure() && past.at >= start)
    );
}

pub(crate) async fn a_deferred_job_counts_no_attempt(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    for defers in 0..3 {
        let got = pull_one(backend).await;
        assert_eq!((got.job.attempt, got.job.defers), (1, defers));
        let successor = got.job.deferred(backend.clock().now());
        got.settle.requeue(&successor).await.unwrap();
    }
    let jobs = drain(backend, &Lane::ALL).await;
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].attempt, jobs[0].defers), (1, 3));
}

pub(crate) async fn a_requeued_job_starts_with_its_first_delivery(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    crash_with_one(backend).await;
    let got = pull_one(backend).await;
    assert_eq!(got.deliveries, 2);
    let successor = got.job.deferred(backend.clock().now());
    got.settle.requeue(&successor).await.unwrap();
    assert_eq!(pull_one(backend).await.deliveries, 1);
}

pub(crate) async fn a_crash_in_the_middle_of_a_requeue_leaves_one_successor(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    let first = pull_one(backend).await;
    let now = backend.clock().now();
    let successor = first.job.after_attempt(now, failure(), Duration::ZERO);
    // What requeue does up to the crash.
    publish(backend, Lane::Retry, &successor).await;
    drop(first);
    assert_eq!(
        drain(backend, &Lane::ALL).await,
        std::slice::from_ref(&successor)
    );
    backend.advance(backend.times().visibility).await;
    let again = pull_one(backend).await;
    assert_eq!((&again.job, again.deliveries), (&job(0), 2));
    again.settle.requeue(&successor).await.unwrap();
    backend.advance(backend.times().visibility).await;
    assert_nothing(backend).await;
}

pub(crate) async fn a_late_settlement_is_harmless(backend: &dyn Backend) {
    for idx in 0..3 {
        publish(backend, Lane::Bulk, &job(idx)).await;
        let slow = pull_one(backend).await;
        backend.advance(backend.times().visibility).await;
        let quick = pull_one(backend).await;
        assert_eq!((quick.job.idx, quick.deliveries), (idx, 2));
        let successor = job(idx).deferred(backend.clock().now());
        quick.settle.requeue(&successor).await.unwrap();
        slow.settle.in_progress().await.unwrap();
        match idx {
            0 => slow.settle.done().await.unwrap(),
            1 => slow.settle.requeue(&successor).await.unwrap(),
            _ => {
                slow.settle.bury(letter("r1:2", "slow")).await.unwrap();
                slow.settle.done().await.unwrap();
            }
        }
        assert_eq!(drain(backend, &Lane::ALL).await, [successor]);
    }
    backend.advance(backend.times().visibility * 2).await;
    assert_nothing(backend).await;
}

pub(crate) async fn a_dead_job_leaves_its_letter(backend: &dyn Backend) {
    publish(backend, Lane::Bulk, &job(0)).await;
    let sent = letter("r1:0", "404 Not Found");
    let got = pull_one(backend).await;
    got.settle.bury(sent.clone()).await.unwrap();
    assert_eq!(all_of(&*backend.ports().letters).await.len(), 1);
    backend.advance(backend.times().visibility).await;
    let again = pull_one(backend).await;
    assert_eq!(again.deliveries, 2, "it is still to be settled");
    again.settle.bury(sent.clone()).await.unwrap();
    again.settle.done().await.unwrap();
    assert_eq!(all_of(&*backend.ports().letters).await, [sent]);
    backend.advance(backend.times().visibility * 2).await;
    assert_nothing(backend).await;
}
