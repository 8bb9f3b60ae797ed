//! Messages whose headers or subject no NATS client library can receive, as whoever may publish can write them.

use std::time::Duration;

use image_sync_queue::jetstream::{JetStream, Prefix};
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::RunId;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::TokioClock;
use image_sync_testkit::servers::{NatsServer, RawNats, UNREADABLE_HEADERS};
use tokio::time::timeout;

use crate::samples::{all_of, held_job, job, letter, result, run};
use crate::stored_reports::{put_report, report_of};
use crate::support::{connect, fresh_prefix, open, provisioned, small};
use crate::waiting::{PATIENCE, eventually};

/// How long a job may take to come that somebody else was about to get.
const LONG: Duration = Duration::from_secs(60);

/// A queue, and somebody who publishes there.
struct QueueWithRawClient {
    _server: NatsServer,
    prefix: Prefix,
    queue: JetStream,
    other: JetStream,
    clock: TokioClock,
    raw: RawNats,
}

impl QueueWithRawClient {
    async fn new() -> Self {
        let (server, prefix) = (NatsServer::start().await.unwrap(), fresh_prefix());
        let (queue, clock) = provisioned(&server, &prefix, &small()).await;
        Self {
            other: open(connect(&server, &prefix).await, &clock).await,
            raw: RawNats::connect(&server.host()).await.unwrap(),
            _server: server,
            prefix,
            queue,
            clock,
        }
    }

    /// Publishes a message of each kind that cannot be received, and says how many there are.
    async fn publish_unreadable(&mut self, subject: &str, payload: &[u8]) -> usize {
        for (_, headers) in UNREADABLE_HEADERS {
            let subject = subject.as_bytes();
            self.raw.publish(subject, headers, payload).await.unwrap();
        }
        self.raw.flush().await.unwrap();
        UNREADABLE_HEADERS.len()
    }

    fn subject(&self, rest: &str) -> String {
        format!("{}.{rest}", self.prefix)
    }

    /// Takes and settles jobs until there were so many.
    async fn take(&self, count: usize) -> Vec<u32> {
        let take = async {
            let mut taken = Vec::new();
            while taken.len() < count {
                let pulled = self.queue.ports().jobs.pull(&Lane::ALL, 4, PATIENCE).await;
                // As a worker does: a queue that cannot be reached is asked again.
                for delivery in pulled.unwrap_or_default() {
                    taken.push(delivery.job.idx);
                    delivery.settle.done().await.unwrap();
                }
            }
            taken.sort_unstable();
            taken
        };
        timeout(LONG, take).await.expect("all jobs should come")
    }
}

#[tokio::test]
async fn a_message_with_malformed_headers_becomes_a_dead_letter_and_other_jobs_of_its_lane_come() {
    let mut setup = QueueWithRawClient::new().await;
    let mut bad = 0;
    for (idx, lane) in (0..).zip(Lane::ALL) {
        let subject = setup.subject(&format!("job.{}.docker=2Eio.r1", lane.name()));
        bad += setup.publish_unreadable(&subject, b"{}").await;
        let published = setup.other.ports().jobs.publish(lane, &job(idx)).await;
        published.unwrap();
    }
    assert_eq!(setup.take(3).await, [0, 1, 2]);
    let letters = all_of(&*setup.other.ports().letters).await;
    assert_eq!(letters.len(), bad, "{letters:#?}");
    for letter in &letters {
        assert_eq!(letter.raw.as_deref(), Some("{}"));
        let reason = &letter.reason;
        // Servers after 2.9 store some of these headers in another form, in which they are received.
        let reasons = ["cannot be received", "is no job"];
        assert!(reasons.iter().any(|why| reason.contains(why)), "{reason}");
    }
    assert_eq!(setup.other.ports().jobs.purge(&run()).await, Ok(0));
}

#[tokio::test]
async fn a_message_with_a_subject_that_is_no_utf8_becomes_a_dead_letter() {
    let mut setup = QueueWithRawClient::new().await;
    let good = b"NATS/1.0\r\nA: b\r\n\r\n";
    for (host, headers) in [
        (&b"\xff\xfe"[..], &b""[..]),
        (b"\xff\xfe", good),
        (b"a\xc2\xa0b", good),
        (b"a\x0bb", good),
    ] {
        let subject = [setup.subject("job.bulk.").as_bytes(), host, b".r1"].concat();
        setup.raw.publish(&subject, headers, b"{}").await.unwrap();
    }
    setup.raw.flush().await.unwrap();
    let jobs = &setup.other.ports().jobs;
    jobs.publish(Lane::Bulk, &job(0)).await.unwrap();
    assert_eq!(setup.take(1).await, [0]);
    assert_eq!(all_of(&*setup.other.ports().letters).await.len(), 4);
}

#[tokio::test]
async fn a_job_that_was_stored_with_a_status_in_its_headers_is_a_job_still() {
    let mut setup = QueueWithRawClient::new().await;
    let subject = setup.subject("job.bulk.docker=2Eio.r1");
    for (idx, status) in (0..).zip(["404 No Messages", "408", "409 Consumer Deleted", "503"]) {
        let headers = format!("NATS/1.0 {status}\r\n\r\n");
        let payload = serde_json::to_vec(&job(idx)).unwrap();
        let (subject, headers) = (subject.as_bytes(), headers.as_bytes());
        let published = setup.raw.publish(subject, headers, &payload);
        published.await.unwrap();
    }
    setup.raw.flush().await.unwrap();
    assert_eq!(setup.take(4).await, [0, 1, 2, 3]);
}

#[tokio::test]
async fn many_messages_with_malformed_headers_in_a_row_keep_nobody_from_work() {
    let mut setup = QueueWithRawClient::new().await;
    let subject = setup.subject("job.bulk.docker=2Eio.r1");
    let mut bad = 0;
    for idx in 0..20 {
        bad += setup.publish_unreadable(&subject, b"").await;
        let jobs = &setup.other.ports().jobs;
        jobs.publish(Lane::Bulk, &job(idx)).await.unwrap();
    }
    let expected: Vec<u32> = (0..20).collect();
    assert_eq!(setup.take(20).await, expected);
    let letters = all_of(&*setup.other.ports().letters).await;
    assert_eq!(letters.len(), bad);
}

#[tokio::test]
async fn malformed_headers_among_jobs_that_are_held_become_dead_letters() {
    let mut setup = QueueWithRawClient::new().await;
    let subject = setup.subject("held.bulk.docker=2Eio.r1");
    let bad = setup.publish_unreadable(&subject, b"").await;
    let due = setup.clock.now() + Duration::from_millis(500);
    let held = held_job(7, due);
    let jobs = &setup.other.ports().jobs;
    jobs.publish(Lane::Bulk, &held).await.unwrap();
    assert_eq!(setup.take(1).await, [7]);
    assert_eq!(all_of(&*setup.other.ports().letters).await.len(), bad);
}

#[tokio::test]
async fn malformed_headers_among_poison_become_dead_letters() {
    let mut setup = QueueWithRawClient::new().await;
    let subject = setup.subject("poison.bulk.docker=2Eio.r1");
    let bad = setup.publish_unreadable(&subject, b"").await;
    let payload = serde_json::to_vec(&job(3)).unwrap();
    let published = setup.raw.publish(subject.as_bytes(), b"", &payload);
    published.await.unwrap();
    setup.raw.flush().await.unwrap();
    let look = async {
        loop {
            let poisoned = setup.queue.ports().jobs.poisoned(PATIENCE).await;
            if let Some(delivery) = poisoned.unwrap_or_default().pop() {
                return delivery.job.idx;
            }
        }
    };
    assert_eq!(timeout(LONG, look).await.expect("the poison"), 3);
    assert_eq!(all_of(&*setup.other.ports().letters).await.len(), bad);
}

#[tokio::test]
async fn a_log_with_malformed_headers_is_read_to_its_end() {
    let mut setup = QueueWithRawClient::new().await;
    let log = &setup.other.ports().log;
    log.append(&run(), &result(0, Action::Pulled))
        .await
        .unwrap();
    let subject = setup.subject("run.r1.result");
    let payload = serde_json::to_vec(&result(1, Action::Failed)).unwrap();
    let bad = setup.publish_unreadable(&subject, &payload).await;
    let log = &setup.other.ports().log;
    log.append(&run(), &result(2, Action::Pulled))
        .await
        .unwrap();
    let mut reader = setup.queue.ports().log.read(&run()).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = reader.next(Duration::ZERO).await.unwrap() {
        events.push(event);
    }
    // What it says counts for what it is: who may write it could have written it with good headers.
    let middle = vec![result(1, Action::Failed); bad];
    let (first, last) = (result(0, Action::Pulled), result(2, Action::Pulled));
    assert_eq!(events, [vec![first], middle, vec![last.clone()]].concat());
    let next = result(3, Action::Pulled);
    log.append(&run(), &next).await.unwrap();
    assert_eq!(reader.next(PATIENCE).await, Ok(Some(next)));
}

#[tokio::test]
async fn letters_with_malformed_headers_are_listed_like_others() {
    let mut setup = QueueWithRawClient::new().await;
    let letters = &setup.other.ports().letters;
    letters.put(letter("r1:0", "first")).await.unwrap();
    for (number, (_, headers)) in UNREADABLE_HEADERS.iter().enumerate() {
        let id = format!("x{number}");
        let payload = serde_json::to_vec(&letter(&id, "in between")).unwrap();
        let subject = setup.subject(&format!("dlq.{id}"));
        let published = setup.raw.publish(subject.as_bytes(), headers, &payload);
        published.await.unwrap();
    }
    setup.raw.flush().await.unwrap();
    letters.put(letter("r1:1", "last")).await.unwrap();
    let listed = all_of(&*setup.queue.ports().letters).await;
    assert_eq!(listed.len(), UNREADABLE_HEADERS.len() + 2, "{listed:#?}");
    for id in ["x0", "x9", "r1:1"] {
        let taken = setup.queue.ports().letters.take(id).await.unwrap();
        assert_eq!(taken.unwrap().id, id);
    }
}

#[tokio::test]
async fn keys_with_malformed_headers_keep_nobody_from_hearing_of_others() {
    let mut setup = QueueWithRawClient::new().await;
    for bucket in ["hosts", "runs"] {
        let subject = format!("$KV.{}_{bucket}.cancel.x", setup.prefix);
        setup.publish_unreadable(&subject, b"{}").await;
    }
    let (run, until) = (RunId::new("r9"), setup.clock.now() + LONG);
    let (queue, other) = (setup.queue.ports(), setup.other.ports());
    other.runs.cancel(&run).await.unwrap();
    let paused = other.pauses.pause("ghcr.io", until, "429", LONG).await;
    assert_eq!(paused, Ok(true));
    eventually(|| queue.runs.is_cancelled(&run)).await;
    eventually(|| queue.pauses.paused_until("ghcr.io", LONG).is_some()).await;
    assert_eq!(queue.pauses.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_said_of_a_report_with_malformed_headers_keeps_nobody_from_reading_or_storing_it() {
    let mut setup = QueueWithRawClient::new().await;
    let (run, reports) = (run(), setup.other.ports().reports.clone());
    put_report(&*reports, &run, b"{}").await.unwrap();
    assert_eq!(report_of(&setup.queue, &run).await.unwrap(), b"{}");
    let subject = format!("$O.{}_reports.M.cjE=", setup.prefix);
    let said = r#"{"name":"r1","bucket":"x","nuid":"x","size":0,"chunks":0}"#;
    for (_, headers) in UNREADABLE_HEADERS {
        let published = setup
            .raw
            .publish(subject.as_bytes(), headers, said.as_bytes());
        published.await.unwrap();
        setup.raw.flush().await.unwrap();
        assert_eq!(report_of(&setup.queue, &run).await.unwrap(), b"");
        put_report(&*reports, &run, b"{ }").await.unwrap();
        assert_eq!(report_of(&setup.queue, &run).await.unwrap(), b"{ }");
    }
}
