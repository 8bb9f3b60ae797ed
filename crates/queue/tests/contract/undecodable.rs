//! Messages that are no jobs, or not yet.

use std::collections::HashSet;

use image_sync_shared::ports::queue::job_queue::Lane;

use super::backend::{Backend, assert_nothing, drain, publish};
use super::samples::{all_of, job, run};

pub(crate) async fn an_undecodable_message_becomes_a_dead_letter(backend: &dyn Backend) {
    backend.inject(Lane::Bulk, &run(), b"not a job").await;
    assert_nothing(backend).await;
    let letters = all_of(&*backend.ports().letters).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].raw.as_deref(), Some("not a job"));
    assert_eq!(letters[0].job, None);
    assert!(
        letters[0].reason.contains("no job"),
        "{}",
        letters[0].reason
    );
    let taken = backend.ports().letters.take(&letters[0].id).await.unwrap();
    assert!(taken.is_some());
    backend.advance(backend.times().visibility * 2).await;
    assert_nothing(backend).await;
    let again = all_of(&*backend.ports().letters).await;
    assert_eq!(again, [], "the message itself is gone");
}

pub(crate) async fn undecodable_messages_do_not_block_the_rest(backend: &dyn Backend) {
    let broken: [&[u8]; 6] = [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        br#"{"v":1}"#,
        br#"{"v":"x"}"#,
    ];
    for (idx, message) in (0..).zip(broken) {
        backend.inject(Lane::Bulk, &run(), message).await;
        publish(backend, Lane::Bulk, &job(idx)).await;
    }
    let mut got = drain(backend, &Lane::ALL).await;
    got.sort_by_key(|job| job.idx);
    assert_eq!(got, (0..6).map(job).collect::<Vec<_>>());
    let letters = all_of(&*backend.ports().letters).await;
    let ids: HashSet<&str> = letters.iter().map(|letter| letter.id.as_str()).collect();
    assert_eq!(ids.len(), broken.len());
}

pub(crate) async fn a_message_of_a_newer_version_is_put_back(backend: &dyn Backend) {
    let mut newer = serde_json::to_value(job(0)).unwrap();
    newer["v"] = 99.into();
    backend
        .inject(Lane::Bulk, &run(), newer.to_string().as_bytes())
        .await;
    backend
        .inject(Lane::Bulk, &run(), br#"{"v":99,"other":"shape"}"#)
        .await;
    publish(backend, Lane::Bulk, &job(1)).await;
    assert_eq!(drain(backend, &Lane::ALL).await, [job(1)]);
    backend.advance(backend.times().visibility).await;
    assert_nothing(backend).await;
    assert_eq!(all_of(&*backend.ports().letters).await, []);
    let still_there = backend.ports().jobs.purge(&run()).await;
    assert_eq!(still_there, Ok(2));
}

pub(crate) async fn a_job_of_an_unknown_kind_is_put_back_and_never_becomes_poison(
    backend: &dyn Backend,
) {
    let mut deletion = serde_json::to_value(job(0)).unwrap();
    deletion["kind"] = "delete".into();
    let of_another_shape = br#"{"v":1,"kind":{"verify":{"key":"k"}}}"#;
    let deletion = deletion.to_string();
    backend
        .inject(Lane::Bulk, &run(), deletion.as_bytes())
        .await;
    backend.inject(Lane::Now, &run(), of_another_shape).await;
    publish(backend, Lane::Bulk, &job(1)).await;
    assert_eq!(drain(backend, &Lane::ALL).await, [job(1)]);
    for _ in 0..=backend.max_deliver() {
        backend.advance(backend.times().visibility).await;
        assert_nothing(backend).await;
    }
    let poisoned = backend.ports().jobs.poisoned(backend.times().quiet).await;
    assert_eq!(poisoned.unwrap().len(), 0);
    assert_eq!(all_of(&*backend.ports().letters).await, []);
    let still_there = backend.ports().jobs.purge(&run()).await;
    assert_eq!(still_there, Ok(2));
}
