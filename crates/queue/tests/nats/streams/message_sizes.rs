//! Messages as large as a server takes them.

use std::time::Duration;

use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::Action;
use image_sync_shared::run::{RunEvent, RunId};
use time::OffsetDateTime;

use crate::samples::{all_of, job, letter, result, run};
use crate::support::{MAX_DELIVER, fresh_prefix, provisioned, shared_server, small};

/// What a server takes, unless it is told otherwise.
const MAX_PAYLOAD: usize = 1024 * 1024;

/// A message that just fits, and that is `job` but for what fills it.
fn filled(job: &Job) -> Vec<u8> {
    let mut json = serde_json::to_value(job).unwrap();
    json["unknown"] = "".into();
    let length = json.to_string().len();
    json["unknown"] = "x".repeat(MAX_PAYLOAD - length).into();
    json.to_string().into_bytes()
}

#[tokio::test]
async fn a_job_that_fills_its_message_becomes_poison_and_a_dead_letter_like_any_other() {
    let server = shared_server().await;
    let (queue, _) = provisioned(&server, &fresh_prefix(), &small()).await;
    let jobs = &queue.ports().jobs;
    let message = filled(&job(0));
    assert_eq!(message.len(), MAX_PAYLOAD);
    queue
        .publish_raw(Lane::Bulk, &run(), &message)
        .await
        .unwrap();
    for delivery in 1..=MAX_DELIVER {
        let pulled = jobs.pull(&[Lane::Bulk], 1, Duration::from_secs(20)).await;
        let pulled = pulled.unwrap();
        assert_eq!((pulled.len(), pulled[0].deliveries), (1, delivery));
    }
    let mut poisoned = Vec::new();
    while poisoned.is_empty() {
        let idle = jobs
            .pull(&[Lane::Bulk], 1, Duration::from_millis(100))
            .await;
        assert!(idle.unwrap().is_empty());
        poisoned = jobs.poisoned(Duration::from_secs(1)).await.unwrap();
    }
    assert_eq!(poisoned[0].job, job(0));
}

#[tokio::test]
async fn what_is_too_large_for_a_message_is_stored_smaller() {
    let server = shared_server().await;
    let (queue, _) = provisioned(&server, &fresh_prefix(), &small()).await;
    let (ports, evil) = (queue.ports(), "\u{1b}\"".repeat(1_000_000));
    let large = DeadLetter {
        raw: Some("\0".repeat(2 * MAX_PAYLOAD)),
        ..letter("r1:0", &evil)
    };
    ports.letters.put(large).await.unwrap();
    let letters = all_of(&*ports.letters).await;
    assert_eq!((letters.len(), letters[0].id.as_str()), (1, "r1:0"));
    let RunEvent::Result(mut failed) = result(0, Action::Failed) else {
        panic!("a result");
    };
    failed.entry.error = Some(evil.clone());
    failed.entry.image = evil;
    let log = &ports.log;
    log.append(&run(), &RunEvent::Result(failed)).await.unwrap();
    let mut reader = log.read(&run()).await.unwrap();
    let read = reader.next(Duration::from_secs(10)).await.unwrap();
    assert!(matches!(read, Some(RunEvent::Result(result)) if result.idx == 0));
}

#[tokio::test]
async fn an_id_with_a_line_break_is_refused_and_nothing_panics() {
    let server = shared_server().await;
    let (queue, _) = provisioned(&server, &fresh_prefix(), &small()).await;
    let run = RunId::new("x\r\ny");
    let alive = RunEvent::Alive {
        at: OffsetDateTime::UNIX_EPOCH,
    };
    let error = queue.ports().log.append(&run, &alive).await.unwrap_err();
    assert!(error.to_string().contains("is no Nats-Msg-Id"), "{error}");
}
