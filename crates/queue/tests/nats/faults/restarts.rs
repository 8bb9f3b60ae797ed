//! A server that is killed and started again on the same storage loses nothing, and nobody has to do anything about it.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use image_sync_queue::Ports;
use image_sync_queue::jetstream::JetStream;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::queue::job_queue::{Lane, Stored};
use image_sync_shared::ports::queue::leases::Renewal;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::Action;
use image_sync_shared::run::{RunEvent, RunId};
use image_sync_testkit::TokioClock;
use image_sync_testkit::servers::NatsServer;
use tokio::sync::Notify;

use crate::samples::{all_of, failure, held_job, job, letter, result, run, seal};
use crate::support::{connect, fresh_prefix, open, provisioned, small};
use crate::waiting::{PATIENCE, eventually};

const MANY: u32 = 2_000;

struct QueueWithTwoClients {
    server: NatsServer,
    queue: JetStream,
    other: JetStream,
    clock: TokioClock,
}

impl QueueWithTwoClients {
    /// A server of one's own with two clients of one queue.
    async fn new() -> Self {
        let (server, prefix) = (NatsServer::start().await.unwrap(), fresh_prefix());
        let (queue, clock) = provisioned(&server, &prefix, &small()).await;
        let other = open(connect(&server, &prefix).await, &clock).await;
        Self {
            server,
            queue,
            other,
            clock,
        }
    }

    fn ports(&self) -> &Ports {
        self.queue.ports()
    }
}

async fn kill_and_restart(server: &mut NatsServer) {
    server.kill().unwrap();
    server.restart().await.unwrap();
}

/// Takes and settles jobs until `count` different ones were seen, and tells `half` when half of them were.
async fn take_all(ports: &Ports, count: u32, half: &Notify) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    while seen.len() < count as usize {
        // As a worker does: a queue that cannot be reached is asked again.
        let pulled = ports.jobs.pull(&Lane::ALL, 10, PATIENCE).await;
        for delivery in pulled.unwrap_or_default() {
            seen.insert(delivery.job.idx);
            delivery.settle.done().await.unwrap();
        }
        if seen.len() >= count as usize / 2 {
            half.notify_one();
        }
    }
    seen
}

/// Publishes `count` jobs, a hundred at a time, and tells `half` when half of them were.
async fn publish_all(ports: &Ports, count: u32, half: &Notify) {
    for first in (0..count).step_by(100) {
        if first == count / 2 {
            half.notify_one();
        }
        let batch: Vec<Job> = (first..first + 100).map(job).collect();
        let stored = join_all(batch.iter().map(|job| ports.jobs.publish(Lane::Bulk, job))).await;
        for stored in stored {
            // A repeat where the answer to the first was lost.
            let is_stored = matches!(stored, Ok(Stored::New | Stored::Duplicate));
            assert!(is_stored, "{stored:?}");
        }
    }
}

#[tokio::test]
async fn what_is_published_meanwhile_is_stored() {
    let mut setup = QueueWithTwoClients::new().await;
    let (half, ports) = (Notify::new(), setup.queue.ports().clone());
    let restart = async {
        half.notified().await;
        kill_and_restart(&mut setup.server).await;
    };
    tokio::join!(publish_all(&ports, MANY, &half), restart);
    let seen = take_all(&ports, MANY, &Notify::new()).await;
    assert_eq!(seen, (0..MANY).collect());
}

#[tokio::test]
async fn what_is_worked_meanwhile_is_settled() {
    let mut setup = QueueWithTwoClients::new().await;
    let (half, ports) = (Notify::new(), setup.queue.ports().clone());
    publish_all(&ports, MANY, &Notify::new()).await;
    let restart = async {
        half.notified().await;
        kill_and_restart(&mut setup.server).await;
    };
    let (seen, ()) = tokio::join!(take_all(&ports, MANY, &half), restart);
    assert_eq!(seen, (0..MANY).collect());
    // What was settled in the last moments may come again, and then it is settled again. (A server of version 2.9 keeps
    // such jobs in the stream, although it does not deliver them; they go when the run's jobs are dropped.)
    while settle_some(&ports).await > 0 {}
}

/// Takes jobs that come within some time, settles them, and says how many there were.
async fn settle_some(ports: &Ports) -> usize {
    let wait = 2 * small().visibility;
    let pulled = ports.jobs.pull(&Lane::ALL, 10, wait).await.unwrap();
    let count = pulled.len();
    for delivery in pulled {
        delivery.settle.done().await.unwrap();
    }
    count
}

#[tokio::test]
async fn a_log_is_read_on_behind_the_last_event_that_was_read() {
    let mut setup = QueueWithTwoClients::new().await;
    let (half, ports) = (Notify::new(), setup.queue.ports().clone());
    let events: Vec<RunEvent> = (0..1_000).map(|idx| result(idx, Action::Pulled)).collect();
    let mut reader = setup.other.ports().log.read(&run()).await.unwrap();
    let append = async {
        for event in events.iter().chain([&seal(1_000)]) {
            ports.log.append(&run(), event).await.unwrap();
        }
    };
    let read = async {
        let mut read = Vec::new();
        loop {
            match reader.next(PATIENCE).await.unwrap() {
                Some(RunEvent::Seal { .. }) => return read,
                Some(event) => read.push(event),
                None => {}
            }
            if read.len() == 500 {
                half.notify_one();
            }
        }
    };
    let restart = async {
        half.notified().await;
        kill_and_restart(&mut setup.server).await;
    };
    let ((), read, ()) = tokio::join!(append, read, restart);
    assert!(read == events, "{} of {}", read.len(), events.len());
}

#[tokio::test]
async fn a_server_that_stays_away_is_an_error_and_no_end_of_the_log() {
    let mut setup = QueueWithTwoClients::new().await;
    let ports = setup.queue.ports().clone();
    ports.log.append(&run(), &seal(0)).await.unwrap();
    let mut reader = ports.log.read(&run()).await.unwrap();
    assert_eq!(reader.next(PATIENCE).await, Ok(Some(seal(0))));
    setup.server.kill().unwrap();
    let error = reader.next(Duration::from_millis(10)).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    let error = ports
        .jobs
        .pull(&Lane::ALL, 1, PATIENCE)
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    setup.server.restart().await.unwrap();
    ports
        .log
        .append(&run(), &result(0, Action::Pulled))
        .await
        .unwrap();
    assert_eq!(
        reader.next(PATIENCE).await,
        Ok(Some(result(0, Action::Pulled)))
    );
}

#[tokio::test]
async fn what_waits_comes_when_it_is_due() {
    let mut setup = QueueWithTwoClients::new().await;
    let due = setup.queue.ports().clock.now() + Duration::from_secs(4);
    let held = held_job(0, due);
    setup
        .ports()
        .jobs
        .publish(Lane::Retry, &held)
        .await
        .unwrap();
    // Somebody has looked at it, and the server holds it now.
    let early = setup
        .ports()
        .jobs
        .pull(&Lane::ALL, 1, Duration::from_secs(1))
        .await;
    assert!(early.unwrap().is_empty());
    kill_and_restart(&mut setup.server).await;
    let delivery = loop {
        let pulled = setup.ports().jobs.pull(&Lane::ALL, 1, PATIENCE).await;
        if let Some(delivery) = pulled.unwrap_or_default().pop() {
            break delivery;
        }
    };
    assert!(setup.queue.ports().clock.now() >= due, "it came too early");
    assert_eq!((delivery.job, delivery.deliveries), (held, 1));
}

#[tokio::test]
async fn what_was_in_hand_is_still_in_hand() {
    let mut setup = QueueWithTwoClients::new().await;
    let ports = setup.queue.ports().clone();
    for idx in 0..3 {
        ports.jobs.publish(Lane::Bulk, &job(idx)).await.unwrap();
    }
    let lease = ports.leases.acquire("target", "w1").await.unwrap().unwrap();
    let mut in_hand = ports.jobs.pull(&Lane::ALL, 3, PATIENCE).await.unwrap();
    assert_eq!(in_hand.len(), 3);
    kill_and_restart(&mut setup.server).await;
    let (first, second, third) = (in_hand.pop(), in_hand.pop(), in_hand.pop());
    first.unwrap().settle.done().await.unwrap();
    let second = second.unwrap();
    let successor =
        second
            .job
            .after_attempt(second.job.first_enqueued_at, failure(), Duration::ZERO);
    second.settle.requeue(&successor).await.unwrap();
    let third = third.unwrap().settle;
    third.bury(letter("r1:2", "gone")).await.unwrap();
    third.done().await.unwrap();
    let renewed = ports.leases.renew(&lease).await.unwrap();
    assert!(matches!(renewed, Renewal::Held(_)), "{renewed:?}");
    assert_eq!(all_of(&*ports.letters).await.len(), 1);
    tokio::time::sleep(small().visibility).await;
    let left = ports
        .jobs
        .pull(&Lane::ALL, 10, small().visibility)
        .await
        .unwrap();
    let left: Vec<Job> = left.into_iter().map(|left| left.job).collect();
    assert_eq!(left, [successor]);
}

#[tokio::test]
async fn what_others_say_is_still_followed() {
    let mut setup = QueueWithTwoClients::new().await;
    let (ports, others) = (setup.queue.ports().clone(), setup.other.ports().clone());
    let (before, after) = (RunId::new("before"), RunId::new("after"));
    others.runs.cancel(&before).await.unwrap();
    eventually(|| ports.runs.is_cancelled(&before)).await;
    kill_and_restart(&mut setup.server).await;
    others.runs.cancel(&after).await.unwrap();
    eventually(|| ports.runs.is_cancelled(&after)).await;
    let until = setup.clock.now() + Duration::from_secs(30);
    let (host, longest) = ("ghcr.io", Duration::from_secs(60));
    let paused = others.pauses.pause(host, until, "429", longest);
    assert_eq!(paused.await, Ok(true));
    eventually(|| ports.pauses.paused_until(host, longest) == Some(until)).await;
    assert_eq!(others.pauses.resume(host).await, Ok(true));
    eventually(|| ports.pauses.paused_until(host, longest).is_none()).await;
}
