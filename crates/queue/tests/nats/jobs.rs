//! Jobs over JetStream, beyond the contract.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use image_sync_queue::Ports;
use image_sync_queue::jetstream::{JetStream, ProvisionSettings};
use image_sync_shared::failure::Failure;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::Repository;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::memo::Fact;
use image_sync_shared::ports::queue::job_queue::{Delivery, Lane, Stored};
use image_sync_shared::run::RunId;
use image_sync_shared::run::job::{Job, PlatformMissing};
use image_sync_shared::secret::mac::MacKey;
use image_sync_testkit::TokioClock;
use image_sync_testkit::images::deterministic_bytes;
use image_sync_testkit::servers::NatsServer;
use time::macros::datetime;
use tokio::time::timeout;

use crate::samples::{failure, held_job, job, job_of, run};
use crate::stored_reports::{put_report, report_of};
use crate::support::{connect, fresh_prefix, open, provisioned, shared_server, small};
use crate::waiting::PATIENCE;

struct ProvisionedQueue {
    queue: JetStream,
    clock: TokioClock,
    _server: Arc<NatsServer>,
}

impl ProvisionedQueue {
    async fn new(settings: &ProvisionSettings) -> Self {
        let server = shared_server().await;
        let (queue, clock) = provisioned(&server, &fresh_prefix(), settings).await;
        Self {
            queue,
            clock,
            _server: server,
        }
    }

    fn ports(&self) -> &Ports {
        self.queue.ports()
    }
}

/// Nothing is lost by waiting: what is delivered twice here was counted wrongly.
fn patient() -> ProvisionSettings {
    ProvisionSettings {
        visibility: Duration::from_secs(60),
        dedupe_window: Duration::from_secs(120),
        ..small()
    }
}

async fn pull(ports: &Ports, max: usize) -> Vec<Delivery> {
    ports.jobs.pull(&Lane::ALL, max, PATIENCE).await.unwrap()
}

#[tokio::test]
async fn a_full_stream_says_so_and_takes_jobs_again_when_there_is_room() {
    let setup = ProvisionedQueue::new(&ProvisionSettings {
        jobs_max_bytes: 20_000,
        ..small()
    })
    .await;
    let jobs = &setup.ports().jobs;
    let mut stored = 0;
    let error = loop {
        match jobs.publish(Lane::Bulk, &job(stored)).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    let QueueError::Full(text) = error else {
        panic!("a full stream has no room: {error}");
    };
    assert!(text.contains("of 20000 bytes"), "{text}");
    assert!(stored > 5, "{stored}");
    pull(setup.ports(), 1)
        .await
        .remove(0)
        .settle
        .done()
        .await
        .unwrap();
    assert_eq!(
        jobs.publish(Lane::Bulk, &job(stored)).await,
        Ok(Stored::New)
    );
}

/// Each grows by four long failures, and is held in between. No delivery of it counts as lost.
#[tokio::test]
async fn all_jobs_of_a_full_stream_can_be_put_back() {
    let setup = ProvisionedQueue::new(&ProvisionSettings {
        jobs_max_bytes: 64 * 1024,
        ..patient()
    })
    .await;
    let (jobs, mut stored) = (&setup.ports().jobs, 0);
    while jobs.publish(Lane::Bulk, &job(stored)).await.is_ok() {
        stored += 1;
    }
    let long = Failure {
        answer: "x".repeat(2_000),
        ..failure()
    };
    let mut done = 0;
    while done < stored {
        for delivery in pull(setup.ports(), 8).await {
            let (job, settle) = (delivery.job, delivery.settle);
            assert_eq!(delivery.deliveries, 1, "{}", job.message_id());
            if job.attempt == 5 {
                settle.done().await.unwrap();
                done += 1;
            } else {
                let wait = Duration::from_secs(1);
                let successor = job.after_attempt(setup.clock.now(), long.clone(), wait);
                settle.requeue(&successor).await.unwrap();
            }
        }
    }
    assert!(stored > 30, "{stored}");
    assert_eq!(jobs.purge(&run()).await, Ok(0));
}

#[tokio::test]
async fn two_producers_do_not_take_the_room_of_jobs_that_are_put_back() {
    let settings = ProvisionSettings {
        jobs_max_bytes: 256 * 1024,
        ..patient()
    };
    let fill = async |queue: &JetStream, first: u32| {
        let jobs: Vec<Job> = (first..first + 1_000).map(job).collect();
        let publish = |job| queue.ports().jobs.publish(Lane::Bulk, job);
        let stored = join_all(jobs.iter().map(publish)).await;
        stored.into_iter().flatten().count()
    };
    let alone = fill(&ProvisionedQueue::new(&settings).await.queue, 0).await;
    let (server, prefix) = (shared_server().await, fresh_prefix());
    let (one, clock) = provisioned(&server, &prefix, &settings).await;
    let two = open(connect(&server, &prefix).await, &clock).await;
    let (ours, theirs) = tokio::join!(fill(&one, 0), fill(&two, 1_000));
    assert!(
        ours + theirs <= alone * 5 / 4,
        "{ours} and {theirs}, not {alone}"
    );
}

#[tokio::test]
async fn a_job_too_large_for_a_message_is_refused() {
    let setup = ProvisionedQueue::new(&small()).await;
    // What a job tells for the report is cut; its places are not.
    let mut large = job(0);
    large.source.image.repository = Repository::Folder("x".repeat(2 * 1024 * 1024).into());
    let error = setup
        .ports()
        .jobs
        .publish(Lane::Bulk, &large)
        .await
        .unwrap_err();
    assert!(matches!(error, QueueError::Refused(_)), "{error}");
    assert!(error.to_string().contains("max payload"), "{error}");
}

#[tokio::test]
async fn thousands_may_be_published_at_once() {
    let setup = ProvisionedQueue::new(&small()).await;
    let jobs: Vec<Job> = (0..8_000).map(job).collect();
    let stored = join_all(
        jobs.iter()
            .map(|job| setup.ports().jobs.publish(Lane::Bulk, job)),
    )
    .await;
    assert!(stored.iter().all(|stored| *stored == Ok(Stored::New)));
}

#[tokio::test]
async fn a_pull_that_is_dropped_takes_nothing() {
    const MANY: u32 = 200;
    let setup = ProvisionedQueue::new(&patient()).await;
    for idx in 0..MANY {
        setup
            .ports()
            .jobs
            .publish(Lane::Bulk, &job(idx))
            .await
            .unwrap();
    }
    let mut taken = BTreeSet::new();
    let mut settle = async |delivery: Delivery| {
        assert_eq!(
            delivery.deliveries, 1,
            "nobody died with {}",
            delivery.job.job_id
        );
        taken.insert(delivery.job.idx);
        delivery.settle.done().await.unwrap();
    };
    for patience in 0..100 {
        let pulling = setup.ports().jobs.pull(&Lane::ALL, 3, PATIENCE);
        if let Ok(pulled) = timeout(Duration::from_micros(patience * 50), pulling).await {
            for delivery in pulled.unwrap() {
                settle(delivery).await;
            }
        }
    }
    loop {
        let left = setup
            .ports()
            .jobs
            .pull(&Lane::ALL, 10, Duration::from_secs(1))
            .await;
        let left = left.unwrap();
        if left.is_empty() {
            break;
        }
        for delivery in left {
            settle(delivery).await;
        }
    }
    assert_eq!(taken, (0..MANY).collect());
}

#[tokio::test]
async fn what_a_closed_client_took_unasked_is_given_back() {
    let (server, prefix) = (shared_server().await, fresh_prefix());
    let (one, clock) = provisioned(&server, &prefix, &patient()).await;
    let two = open(connect(&server, &prefix).await, &clock).await;
    for idx in 0..3 {
        one.ports()
            .jobs
            .publish(Lane::Bulk, &job(idx))
            .await
            .unwrap();
    }
    // Polled once: the look is under way, and nobody waits for it any more.
    let pulling = one.ports().jobs.pull(&Lane::ALL, 3, PATIENCE);
    assert!(pulling.now_or_never().is_none());
    one.close().await.unwrap();
    let mut pulled = Vec::new();
    while pulled.len() < 3 {
        pulled.extend(pull(two.ports(), 3).await);
    }
    assert!(pulled.iter().all(|delivery| delivery.deliveries == 1));
}

#[tokio::test]
async fn dropping_the_jobs_of_a_run_leaves_those_of_others_where_they_are() {
    let setup = ProvisionedQueue::new(&patient()).await;
    let (jobs, other) = (&setup.ports().jobs, RunId::new("r2"));
    let soon = setup.clock.now() + Duration::from_secs(2);
    let held = |run: &RunId, idx| Job {
        not_before: Some(soon),
        ..job_of(run, idx)
    };
    for idx in 0..50 {
        for run in [run(), other.clone()] {
            jobs.publish(Lane::Bulk, &job_of(&run, idx)).await.unwrap();
            jobs.publish(Lane::Retry, &held(&run, idx + 50))
                .await
                .unwrap();
        }
    }
    // Some of both are in hand, and some were looked at.
    let in_hand = pull(setup.ports(), 10).await;
    let own = in_hand
        .iter()
        .filter(|delivery| delivery.job.run_id == run())
        .count();
    assert_eq!((in_hand.len(), own), (10, 5));
    assert_eq!(jobs.purge(&run()).await, Ok(100));
    let mut left = BTreeSet::new();
    for delivery in in_hand {
        if delivery.job.run_id == other {
            left.insert(delivery.job.idx);
        }
        delivery.settle.done().await.unwrap();
    }
    while left.len() < 100 {
        for delivery in pull(setup.ports(), 10).await {
            assert_eq!((&delivery.job.run_id, delivery.deliveries), (&other, 1));
            left.insert(delivery.job.idx);
            delivery.settle.done().await.unwrap();
        }
    }
    let nothing = jobs.pull(&Lane::ALL, 1, Duration::from_millis(100)).await;
    assert!(nothing.unwrap().is_empty());
}

#[tokio::test]
async fn a_job_held_as_long_as_can_be_said_is_kept_and_does_not_come() {
    let setup = ProvisionedQueue::new(&small()).await;
    let jobs = &setup.ports().jobs;
    let never = held_job(0, datetime!(9999-12-31 23:59 UTC));
    jobs.publish(Lane::Retry, &never).await.unwrap();
    let pulled = jobs.pull(&Lane::ALL, 1, small().visibility * 2).await;
    assert!(pulled.unwrap().is_empty());
    assert_eq!(jobs.purge(&run()).await, Ok(1));
}

#[tokio::test]
async fn a_job_that_waits_is_in_nobodys_way() {
    let setup = ProvisionedQueue::new(&ProvisionSettings {
        max_held: 10,
        ..small()
    })
    .await;
    let jobs = &setup.ports().jobs;
    let later = setup.clock.now() + Duration::from_secs(600);
    for idx in 0..100 {
        jobs.publish(Lane::Retry, &held_job(idx, later))
            .await
            .unwrap();
    }
    for idx in 100..120 {
        jobs.publish(Lane::Retry, &job(idx)).await.unwrap();
    }
    let mut due = BTreeSet::new();
    while due.len() < 20 {
        for delivery in pull(setup.ports(), 4).await {
            due.insert(delivery.job.idx);
            delivery.settle.done().await.unwrap();
        }
    }
    assert_eq!(due, (100..120).collect());
}

#[tokio::test]
async fn facts_are_shared_by_workers_of_one_key() {
    let (server, prefix) = (shared_server().await, fresh_prefix());
    let (one, clock) = provisioned(&server, &prefix, &small()).await;
    let two = open(connect(&server, &prefix).await, &clock).await;
    let fact = Fact::Chosen {
        index: Digest::of(b"index"),
        platforms: "linux/amd64".parse().unwrap(),
        missing: PlatformMissing::Fail,
    };
    let key = || Some(MacKey::of_text("of all workers"));
    let (first, now) = (one.ports().memos.of(key()), clock.now());
    assert_eq!(first.recall(&fact, now).await, None);
    first.remember(&fact, &Digest::of(b"child"), now).await;
    let known = Some(Digest::of(b"child"));
    assert_eq!(two.ports().memos.of(key()).recall(&fact, now).await, known);
    let later = now + Duration::from_secs(8 * 86_400);
    assert_eq!(two.ports().memos.of(key()).recall(&fact, later).await, None);
    for other in [None, Some(MacKey::of_text("of somebody else"))] {
        assert_eq!(two.ports().memos.of(other).recall(&fact, now).await, None);
    }
    one.ports()
        .memos
        .of(None)
        .remember(&fact, &Digest::of(b"other"), now)
        .await;
    assert_eq!(two.ports().memos.of(key()).recall(&fact, now).await, known);
}

#[tokio::test]
async fn a_report_larger_than_a_message_is_read_as_it_was_stored() {
    let setup = ProvisionedQueue::new(&small()).await;
    let reports = &*setup.queue.ports().reports;
    assert_eq!(report_of(&setup.queue, &run()).await, None);
    for seed in 0..2_u8 {
        let report = deterministic_bytes(&seed.to_string(), 3_000_000).to_vec();
        put_report(reports, &run(), &report).await.unwrap();
        assert!(report_of(&setup.queue, &run()).await == Some(report));
    }
}
