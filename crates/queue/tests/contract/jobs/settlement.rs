//! Settling deliveries.

use std::time::Duration;

use image_sync_shared::ports::queue::job_queue::Lane;

use crate::contract::samples::{all_of, failure, job, letter};
use crate::contract::test_queue::{
    TestQueue, assert_nothing, crash_with_one, drain, publish, pull_one,
};

pub(crate) async fn a_requeued_job_keeps_its_history_and_counts(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    let (wait, start) = (queue.times().visibility / 2, queue.clock().now());
    for attempt in 1..=3 {
        let got = pull_one(queue).await;
        assert_eq!(
            (got.job.attempt, got.job.history.len()),
            (attempt, attempt as usize - 1)
        );
        let mut successor = got.job.after_attempt(queue.clock().now(), failure(), wait);
        successor.so_far.bytes_copied += 1000;
        got.settle.requeue(&successor).await.unwrap();
        assert_nothing(queue).await;
        queue.advance(wait).await;
    }
    let last = pull_one(queue).await;
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

pub(crate) async fn a_deferred_job_counts_no_attempt(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    for defers in 0..3 {
        let got = pull_one(queue).await;
        assert_eq!((got.job.attempt, got.job.defers), (1, defers));
        let successor = got.job.deferred(queue.clock().now());
        got.settle.requeue(&successor).await.unwrap();
    }
    let jobs = drain(queue, &Lane::ALL).await;
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].attempt, jobs[0].defers), (1, 3));
}

pub(crate) async fn a_requeued_job_starts_with_its_first_delivery(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    crash_with_one(queue).await;
    let got = pull_one(queue).await;
    assert_eq!(got.deliveries, 2);
    let successor = got.job.deferred(queue.clock().now());
    got.settle.requeue(&successor).await.unwrap();
    assert_eq!(pull_one(queue).await.deliveries, 1);
}

pub(crate) async fn a_crash_in_the_middle_of_a_requeue_leaves_one_successor(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    let first = pull_one(queue).await;
    let now = queue.clock().now();
    let successor = first.job.after_attempt(now, failure(), Duration::ZERO);
    // What requeue does up to the crash.
    publish(queue, Lane::Retry, &successor).await;
    drop(first);
    assert_eq!(
        drain(queue, &Lane::ALL).await,
        std::slice::from_ref(&successor)
    );
    queue.advance(queue.times().visibility).await;
    let again = pull_one(queue).await;
    assert_eq!((&again.job, again.deliveries), (&job(0), 2));
    again.settle.requeue(&successor).await.unwrap();
    queue.advance(queue.times().visibility).await;
    assert_nothing(queue).await;
}

pub(crate) async fn a_late_settlement_is_harmless(queue: &dyn TestQueue) {
    for idx in 0..3 {
        publish(queue, Lane::Bulk, &job(idx)).await;
        let slow = pull_one(queue).await;
        queue.advance(queue.times().visibility).await;
        let quick = pull_one(queue).await;
        assert_eq!((quick.job.idx, quick.deliveries), (idx, 2));
        let successor = job(idx).deferred(queue.clock().now());
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
        assert_eq!(drain(queue, &Lane::ALL).await, [successor]);
    }
    queue.advance(queue.times().visibility * 2).await;
    assert_nothing(queue).await;
}

pub(crate) async fn a_dead_job_leaves_its_letter(queue: &dyn TestQueue) {
    publish(queue, Lane::Bulk, &job(0)).await;
    let sent = letter("r1:0", "404 Not Found");
    let got = pull_one(queue).await;
    got.settle.bury(sent.clone()).await.unwrap();
    assert_eq!(all_of(&*queue.ports().letters).await.len(), 1);
    queue.advance(queue.times().visibility).await;
    let again = pull_one(queue).await;
    assert_eq!(again.deliveries, 2, "it is still to be settled");
    again.settle.bury(sent.clone()).await.unwrap();
    again.settle.done().await.unwrap();
    assert_eq!(all_of(&*queue.ports().letters).await, [sent]);
    queue.advance(queue.times().visibility * 2).await;
    assert_nothing(queue).await;
}
