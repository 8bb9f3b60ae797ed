//! Lanes, and that none stands in another's way.

use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::RunId;

use crate::contract::samples::{held_job, job, job_of, run};
use crate::contract::test_queue::{TestQueue, assert_nothing, drain, publish, pull, pull_one};

const MANY: u32 = 200;

pub(crate) async fn now_overtakes_bulk(queue: &dyn TestQueue) {
    for idx in 0..5 {
        publish(queue, Lane::Bulk, &job(idx)).await;
    }
    publish(queue, Lane::Now, &job(5)).await;
    let got = pull_one(queue).await;
    assert_eq!((got.job.idx, got.lane), (5, Lane::Now));
}

pub(crate) async fn a_pull_leaves_other_lanes_alone(queue: &dyn TestQueue) {
    for (idx, lane) in (0..).zip(Lane::ALL) {
        publish(queue, lane, &job(idx)).await;
    }
    for lane in Lane::ALL.into_iter().rev() {
        let pulled = pull(queue, &[lane], 10, queue.times().patience).await;
        let lanes: Vec<Lane> = pulled.iter().map(|got| got.lane).collect();
        assert_eq!(lanes, [lane]);
    }
}

pub(crate) async fn undue_jobs_in_retry_hold_up_nothing(queue: &dyn TestQueue) {
    let later = queue.clock().now() + queue.times().visibility * 100;
    for idx in 0..MANY {
        publish(queue, Lane::Retry, &held_job(idx, later)).await;
    }
    assert_nothing(queue).await;
    for (idx, lane) in (MANY..).zip(Lane::ALL) {
        publish(queue, lane, &job(idx)).await;
    }
    let mut got = drain(queue, &Lane::ALL).await;
    got.sort_by_key(|job| job.idx);
    assert_eq!(got, [job(MANY), job(MANY + 1), job(MANY + 2)]);
}

pub(crate) async fn no_lane_is_starved(queue: &dyn TestQueue) {
    for lane in Lane::ALL {
        for idx in 0..MANY / 4 {
            publish(queue, lane, &job(idx + MANY * lane as u32)).await;
        }
    }
    let patience = queue.times().patience;
    for turn in 0..9 {
        let mut lanes = Lane::ALL;
        lanes.rotate_left(turn % 3);
        let pulled = pull(queue, &lanes, 1, patience).await;
        assert_eq!(pulled[0].lane, lanes[0], "the lane named first goes first");
    }
}

pub(crate) async fn a_purge_drops_the_jobs_of_one_run(queue: &dyn TestQueue) {
    let later = queue.clock().now() + queue.times().visibility;
    publish(queue, Lane::Bulk, &job(0)).await;
    publish(queue, Lane::Now, &job(1)).await;
    publish(queue, Lane::Retry, &held_job(2, later)).await;
    let other = job_of(&RunId::new("r2"), 0);
    publish(queue, Lane::Bulk, &other).await;
    assert_eq!(queue.ports().jobs.purge(&run()).await, Ok(3));
    assert_eq!(queue.ports().jobs.purge(&run()).await, Ok(0));
    assert_eq!(drain(queue, &Lane::ALL).await, [other]);
    queue.advance(queue.times().visibility).await;
    assert_nothing(queue).await;
}
