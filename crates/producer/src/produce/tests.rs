//! The producer over ports in memory.

use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::config::ImageSpec;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::ports::runs::run_control::RunControl as _;
use image_sync_shared::ports::telemetry::trace_context::Untraced;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::{ImageName, RunEvent, RunId, Trigger};
use image_sync_shared::secret::mac::Mac;
use image_sync_testkit::ports::{FakeControl, FakeLog, FakeQueue};
use image_sync_testkit::{TokioClock, samples};
use tokio_util::sync::CancellationToken;

use super::publish::{CHUNK_BYTES, PUBLISHES_IN_FLIGHT, next_batch};
use super::{Produced, Producer, RunPlan, SIGN_OF_LIFE};

struct Bench {
    producer: Producer,
    queue: Arc<FakeQueue>,
    log: Arc<FakeLog>,
    control: Arc<FakeControl>,
    stop: CancellationToken,
}

impl Bench {
    fn with_room(jobs: usize) -> Self {
        let queue = Arc::new(FakeQueue::with_room(jobs));
        let log = Arc::new(FakeLog::default());
        let control = Arc::new(FakeControl::default());
        Self {
            producer: Producer {
                traces: Arc::new(Untraced),
                queue: queue.clone(),
                log: log.clone(),
                control: control.clone(),
                clock: Arc::new(TokioClock::default()),
            },
            queue,
            log,
            control,
            stop: CancellationToken::new(),
        }
    }

    async fn produce(&self, images: &[ImageSpec]) -> Result<Produced, QueueError> {
        self.producer
            .produce(&plan(Trigger::Schedule), images, &self.stop)
            .await
    }

    fn published(&self) -> usize {
        self.queue.jobs.lock().unwrap().len()
    }
}

fn plan(trigger: Trigger) -> RunPlan {
    RunPlan {
        run_id: samples::run(),
        trigger,
        cache_registry: "localhost:5000".to_owned(),
        config_hash: "c0ffee".to_owned(),
        images: None,
        skip_on_error: false,
        timeout: Duration::from_secs(3600),
        sign_of_life: SIGN_OF_LIFE,
        policy: samples::policy(),
    }
}

fn named(events: &[RunEvent]) -> Vec<ImageName> {
    let mut names = Vec::new();
    for event in events {
        if let RunEvent::Chunk { first_idx, items } = event {
            assert_eq!(*first_idx as usize, names.len(), "chunks follow each other");
            names.extend(items.clone());
        }
    }
    names
}

#[tokio::test(start_paused = true)]
async fn a_run_is_opened_named_published_and_sealed() {
    let bench = Bench::with_room(10);
    let images = samples::images(3);
    assert_eq!(
        bench.produce(&images).await,
        Ok(Produced::Sealed { jobs: 3 })
    );
    assert_eq!(
        bench.log.events_without_keys(),
        [
            RunEvent::Open(samples::opened()),
            RunEvent::Chunk {
                first_idx: 0,
                items: images.iter().map(crate::jobs::name_of).collect(),
            },
            RunEvent::Seal { expected: 3 },
        ]
    );
    let until = samples::opened().deadline_at;
    let open = bench.control.open.lock().unwrap().clone();
    assert_eq!(open, [("c0ffee".to_owned(), samples::run(), until)]);
    let jobs = bench.queue.jobs.lock().unwrap();
    assert!(
        jobs.iter().all(|(_, job)| job.deadline_at == Some(until)),
        "each job knows the deadline of its run"
    );
    let ids: Vec<(Lane, u32, &str)> = jobs
        .iter()
        .map(|(lane, job)| (*lane, job.idx, job.tag.as_str()))
        .collect();
    assert_eq!(
        ids,
        [
            (Lane::Bulk, 0, "v0"),
            (Lane::Bulk, 1, "v1"),
            (Lane::Bulk, 2, "v2")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_of_no_images_is_a_run() {
    let bench = Bench::with_room(0);
    assert_eq!(bench.produce(&[]).await, Ok(Produced::Sealed { jobs: 0 }));
    let events = [
        RunEvent::Open(samples::opened()),
        RunEvent::Seal { expected: 0 },
    ];
    assert_eq!(bench.log.events_without_keys(), events);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_cron_goes_into_lane_now() {
    for trigger in [Trigger::Enqueue, Trigger::Webhook, Trigger::Replay] {
        let bench = Bench::with_room(1);
        let produced = bench
            .producer
            .produce(&plan(trigger), samples::images(1), &bench.stop)
            .await;
        assert_eq!(produced, Ok(Produced::Sealed { jobs: 1 }));
        let jobs = bench.queue.jobs.lock().unwrap();
        assert_eq!((jobs[0].0, jobs[0].1.trigger), (Lane::Now, trigger));
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_run_of_an_open_catalog_is_skipped() {
    let bench = Bench::with_room(10);
    let other = (String::from("c0ffee"), RunId::new("r0"), samples::now());
    bench.control.open.lock().unwrap().push(other);
    let open = RunId::new("r0");
    assert_eq!(
        bench.produce(&samples::images(3)).await,
        Ok(Produced::Skipped { open })
    );
    assert_eq!((bench.log.events(), bench.published()), (Vec::new(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_the_producer_wait_with_few_jobs_in_hand() {
    let bench = Bench::with_room(10);
    let images = samples::images(3 * PUBLISHES_IN_FLIGHT);
    let produce = bench.produce(&images);
    tokio::pin!(produce);
    let full = tokio::time::timeout(Duration::from_secs(60), &mut produce).await;
    assert!(full.is_err(), "it waits: {full:?}");
    assert_eq!(bench.published(), 10);
    let (most, now) = *bench.queue.in_flight.lock().unwrap();
    assert_eq!((most, now), (PUBLISHES_IN_FLIGHT, PUBLISHES_IN_FLIGHT));
    bench.queue.room.add_permits(images.len());
    let jobs = 3 * u32::try_from(PUBLISHES_IN_FLIGHT).unwrap();
    assert_eq!(produce.await, Ok(Produced::Sealed { jobs }));
    assert_eq!(bench.published(), images.len());
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_producer_that_waits() {
    let bench = Bench::with_room(4);
    let images = samples::images(20);
    let produce = bench.produce(&images);
    tokio::pin!(produce);
    let full = tokio::time::timeout(Duration::from_secs(60), &mut produce).await;
    assert!(full.is_err(), "it waits: {full:?}");
    bench.stop.cancel();
    assert_eq!(produce.await, Ok(Produced::Stopped { jobs: 4 }));
    let sealed = bench
        .log
        .events()
        .iter()
        .any(|event| matches!(event, RunEvent::Seal { .. }));
    assert!(!sealed, "a run that was stopped is not sealed");
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_waits_for_room_ends_a_while_after_the_deadline_of_its_run() {
    let bench = Bench::with_room(4);
    let images = samples::images(20);
    let start = tokio::time::Instant::now();
    assert_eq!(bench.produce(&images).await, Ok(Produced::Overdue));
    let plan = plan(Trigger::Schedule);
    assert_eq!(start.elapsed(), plan.timeout + 6 * SIGN_OF_LIFE);
    assert!(bench.control.cancelled.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_waits_tells_that_it_is_at_work() {
    let bench = Bench::with_room(4);
    let images = samples::images(20);
    let full = tokio::time::timeout(
        SIGN_OF_LIFE * 3 + Duration::from_secs(1),
        bench.produce(&images),
    )
    .await;
    assert!(full.is_err(), "it waits: {full:?}");
    let events = bench.log.events();
    let signs = events
        .iter()
        .filter(|event| matches!(event, RunEvent::Alive { .. }));
    assert_eq!(signs.count(), 3);
    let Some(RunEvent::Open(opened)) = events.first() else {
        panic!("an opening first, not {events:?}")
    };
    assert_eq!(opened.silence_ms, 90_000);
}

#[tokio::test(start_paused = true)]
async fn a_producer_whose_run_is_cancelled_notices_by_its_next_sign_of_life_and_drops_its_jobs() {
    let bench = Bench::with_room(4);
    let images = samples::images(20);
    let cancel = async {
        tokio::time::sleep(SIGN_OF_LIFE / 2).await;
        assert_eq!(bench.published(), 4);
        bench.control.cancel(&samples::run()).await.unwrap();
    };
    let start = tokio::time::Instant::now();
    let (produced, ()) = tokio::join!(bench.produce(&images), cancel);
    assert_eq!(produced, Ok(Produced::Cancelled));
    assert_eq!(start.elapsed(), SIGN_OF_LIFE);
    assert_eq!(bench.published(), 0, "its jobs are dropped");
    assert!(bench.control.open.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_cancelled_is_not_sealed() {
    let bench = Bench::with_room(20);
    bench.control.cancel(&samples::run()).await.unwrap();
    let produced = bench.produce(&samples::images(20)).await;
    assert_eq!(produced, Ok(Produced::Cancelled));
    assert_eq!(bench.published(), 0, "its jobs are dropped");
    let is_seal = |event: &RunEvent| matches!(event, RunEvent::Seal { .. });
    assert!(!bench.log.events().iter().any(is_seal));
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_seen_where_nothing_ever_waits() {
    let bench = Bench::with_room(20_000);
    let stop = bench.stop.clone();
    let images = samples::images(20_000).into_iter().enumerate();
    let images = images.map(|(idx, image)| {
        if idx == 5_000 {
            stop.cancel();
        }
        image
    });
    let produced = bench
        .producer
        .produce(&plan(Trigger::Schedule), images, &bench.stop)
        .await;
    assert!(
        matches!(produced, Ok(Produced::Stopped { .. })),
        "{produced:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_ends_the_producer_and_its_run() {
    let bench = Bench::with_room(1);
    let images = samples::images(3);
    let produce = bench.produce(&images);
    tokio::pin!(produce);
    let waits = tokio::time::timeout(Duration::from_secs(1), &mut produce);
    assert!(waits.await.is_err(), "it waits for room");
    assert_eq!(bench.published(), 1);
    bench.queue.room.close();
    assert_eq!(produce.await, Err(QueueError::Closed));
    assert_eq!(bench.published(), 0, "its jobs are dropped");
    assert_eq!(*bench.control.cancelled.lock().unwrap(), [samples::run()]);
    assert!(bench.control.open.lock().unwrap().is_empty());
    let events = bench.log.events();
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, RunEvent::Seal { .. }))
    );
}

#[tokio::test(start_paused = true)]
async fn names_are_stored_before_their_jobs_in_chunks_that_fit_a_message() {
    let bench = Bench::with_room(0);
    let images = samples::images(12_000);
    let produce = bench.produce(&images);
    tokio::pin!(produce);
    let full = tokio::time::timeout(Duration::from_secs(60), &mut produce).await;
    assert!(full.is_err(), "it waits: {full:?}");
    assert_eq!(bench.published(), 0);
    let first = named(&bench.log.events()).len();
    assert!((PUBLISHES_IN_FLIGHT..12_000).contains(&first), "{first}");
    bench.queue.room.add_permits(12_000);
    assert_eq!(produce.await, Ok(Produced::Sealed { jobs: 12_000 }));
    let events = bench.log.events();
    let names: Vec<ImageName> = images.iter().map(crate::jobs::name_of).collect();
    assert_eq!(named(&events), names);
    for event in events {
        let bytes = serde_json::to_string(&event).unwrap().len();
        assert!(bytes < CHUNK_BYTES + 1024, "{bytes}");
    }
}

#[test]
fn a_batch_has_at_least_one_image() {
    let mut images = samples::images(3).into_iter().peekable();
    let (names, batch) = next_batch(&mut images, 1);
    assert_eq!((names.len(), batch.len(), images.len()), (1, 1, 2));
    let (names, batch) = next_batch(&mut images, CHUNK_BYTES);
    assert_eq!((names.len(), batch.len(), images.len()), (2, 2, 0));
}

#[tokio::test]
async fn a_producer_may_be_a_task() {
    let bench = Bench::with_room(1);
    let (producer, stop) = (bench.producer.clone(), bench.stop.clone());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let images = samples::images(1);
        producer
            .produce(&plan(Trigger::Schedule), &images, &stop)
            .await
    });
    let end = tasks.join_next().await.unwrap().unwrap();
    assert_eq!(end, Ok(Produced::Sealed { jobs: 1 }));
}

#[tokio::test(start_paused = true)]
async fn every_job_has_its_own_code_of_the_key_that_only_the_log_is_told() {
    let (bench, other) = (Bench::with_room(10), Bench::with_room(10));
    let images = samples::images(3);
    bench.produce(&images).await.unwrap();
    other.produce(&images).await.unwrap();
    let key = |bench: &Bench| match bench.log.events().remove(0) {
        RunEvent::Open(opened) => opened.key.unwrap(),
        other => panic!("the opening, not {other:?}"),
    };
    assert_ne!(key(&bench), key(&other), "a key is of one run");
    let jobs = bench.queue.jobs.lock().unwrap();
    let codes: Vec<Mac> = jobs.iter().map(|(_, job)| job.mac.unwrap()).collect();
    let mut long = jobs[0].1.clone();
    long.image = "a\u{202e}".repeat(2_000);
    let as_received: Job = serde_json::from_value(serde_json::to_value(&long).unwrap()).unwrap();
    let (sent, received) = (
        long.mac_with(&key(&bench)),
        as_received.mac_with(&key(&bench)),
    );
    assert_eq!(sent, received, "of the names as a message has them");
    for (idx, ((_, job), code)) in jobs.iter().zip(&codes).enumerate() {
        assert_eq!(job.mac_with(&key(&bench)), *code);
        assert!(!codes[..idx].contains(code), "no two jobs have the same");
        let message = serde_json::to_string(job).unwrap();
        assert!(!message.contains(&String::from(key(&bench))), "{message}");
    }
}

mod stages;
