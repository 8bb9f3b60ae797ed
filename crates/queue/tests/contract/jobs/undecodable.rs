//! Messages that are no jobs, or not yet.

use std::collections::HashSet;

use image_sync_shared::ports::queue::job_queue::Lane;

use crate::contract::samples::{all_of, job, run};
use crate::contract::test_queue::{TestQueue, assert_nothing, drain, publish};

pub(crate) async fn an_undecodable_message_becomes_a_dead_letter(queue: &dyn TestQueue) {
    queue.inject(Lane::Bulk, &run(), b"not a job").await;
    assert_nothing(queue).await;
    let letters = all_of(&*queue.ports().letters).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].raw.as_deref(), Some("not a job"));
    assert_eq!(letters[0].job, None);
    assert!(
        letters[0].reason.contains("no job"),
        "{}",
        letters[0].reason
    );
    let taken = queue.ports().letters.take(&letters[0].id).await.unwrap();
    assert!(taken.is_some());
    queue.advance(queue.times().visibility * 2).await;
    assert_nothing(queue).await;
    let again = all_of(&*queue.ports().letters).await;
    assert_eq!(again, [], "the message itself is gone");
}

pub(crate) async fn undecodable_messages_do_not_block_the_rest(queue: &dyn TestQueue) {
    let broken: [&[u8]; 6] = [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        br#"{"v":1}"#,
        br#"{"v":"x"}"#,
    ];
    for (idx, message) in (0..).zip(broken) {
        queue.inject(Lane::Bulk, &run(), message).await;
        publish(queue, Lane::Bulk, &job(idx)).await;
    }
    let mut got = drain(queue, &Lane::ALL).await;
    got.sort_by_key(|job| job.idx);
    assert_eq!(got, (0..6).map(job).collect::<Vec<_>>());
    let letters = all_of(&*queue.ports().letters).await;
    let ids: HashSet<&str> = letters.iter().map(|letter| letter.id.as_str()).collect();
    assert_eq!(ids.len(), broken.len());
}

pub(crate) async fn a_message_of_a_newer_version_is_put_back(queue: &dyn TestQueue) {
    let mut newer = serde_json::to_value(job(0)).unwrap();
    newer["v"] = 99.into();
    queue
        .inject(Lane::Bulk, &run(), newer.to_string().as_bytes())
        .await;
    queue
        .inject(Lane::Bulk, &run(), br#"{"v":99,"other":"shape"}"#)
        .await;
    publish(queue, Lane::Bulk, &job(1)).await;
    assert_eq!(drain(queue, &Lane::ALL).await, [job(1)]);
    queue.advance(queue.times().visibility).await;
    assert_nothing(queue).await;
    assert_eq!(all_of(&*queue.ports().letters).await, []);
    let still_there = queue.ports().jobs.purge(&run()).await;
    assert_eq!(still_there, Ok(2));
}

pub(crate) async fn a_job_of_an_unknown_kind_is_put_back_and_never_becomes_poison(
    queue: &dyn TestQueue,
) {
    let mut deletion = serde_json::to_value(job(0)).unwrap();
    deletion["kind"] = "delete".into();
    let of_another_shape = br#"{"v":1,"kind":{"verify":{"key":"k"}}}"#;
    let deletion = deletion.to_string();
    queue.inject(Lane::Bulk, &run(), deletion.as_bytes()).await;
    queue.inject(Lane::Now, &run(), of_another_shape).await;
    publish(queue, Lane::Bulk, &job(1)).await;
    assert_eq!(drain(queue, &Lane::ALL).await, [job(1)]);
    for _ in 0..=queue.max_deliver() {
        queue.advance(queue.times().visibility).await;
        assert_nothing(queue).await;
    }
    let poisoned = queue.ports().jobs.poisoned(queue.times().quiet).await;
    assert_eq!(poisoned.unwrap().len(), 0);
    assert_eq!(all_of(&*queue.ports().letters).await, []);
    let still_there = queue.ports().jobs.purge(&run()).await;
    assert_eq!(still_there, Ok(2));
}
