//! Jobs that are due later.

use std::time::Duration;

use image_sync_shared::ports::queue::job_queue::Lane;

use crate::contract::samples::held_job;
use crate::contract::test_queue::{TestQueue, assert_nothing, publish, pull_one, pull_one_within};

pub(crate) async fn a_job_is_held_until_it_is_due(queue: &dyn TestQueue) {
    let hold = queue.times().visibility;
    for (idx, lane) in (0..).zip(Lane::ALL) {
        let due = queue.clock().now() + hold;
        publish(queue, lane, &held_job(idx, due)).await;
        assert_nothing(queue).await;
        queue.advance(hold / 2).await;
        assert_nothing(queue).await;
        queue.advance(hold / 2).await;
        let got = pull_one(queue).await;
        assert_eq!((got.job, got.deliveries), (held_job(idx, due), 1));
        got.settle.done().await.unwrap();
    }
}

pub(crate) async fn a_waiting_pull_gets_a_job_when_it_is_due(queue: &dyn TestQueue) {
    let times = queue.times();
    let due = queue.clock().now() + times.visibility / 2;
    publish(queue, Lane::Retry, &held_job(0, due)).await;
    let got = pull_one_within(queue, times.visibility / 2 + times.patience).await;
    assert!(queue.clock().now() >= due, "it came too early");
    assert_eq!(got.job.idx, 0);
}

pub(crate) async fn a_job_whose_time_has_passed_is_due_at_once(queue: &dyn TestQueue) {
    let long_ago = queue.clock().now() - Duration::from_secs(3_600);
    publish(queue, Lane::Retry, &held_job(0, long_ago)).await;
    assert_eq!(pull_one(queue).await.job.idx, 0);
}

pub(crate) async fn jobs_become_due_each_in_its_own_time(queue: &dyn TestQueue) {
    let (start, step) = (queue.clock().now(), queue.times().visibility / 2);
    for idx in [3, 1, 2] {
        publish(queue, Lane::Retry, &held_job(idx, start + step * idx)).await;
    }
    for idx in 1..=3 {
        let got = pull_one_within(queue, step + queue.times().patience).await;
        assert_eq!(got.job.idx, idx);
        assert!(queue.clock().now() >= start + step * idx);
        got.settle.done().await.unwrap();
    }
}
