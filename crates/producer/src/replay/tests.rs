//! Replaying and dropping over ports in memory.

use std::sync::Arc;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::ports::telemetry::trace_context::Untraced;
use image_sync_shared::run::job::{ImagePolicy, Job, JobKind, Policy, Referrers};
use image_sync_shared::run::{RunEvent, Trigger};

use image_sync_testkit::ports::{FakeControl, FakeLetters, FakeLog, FakeQueue};
use image_sync_testkit::{TokioClock, samples};

use super::*;
use crate::jobs::job_for;

const TIMEOUT: Duration = Duration::from_secs(60);

struct Bench {
    producer: Producer,
    queue: Arc<FakeQueue>,
    log: Arc<FakeLog>,
    letters: FakeLetters,
}

impl Bench {
    fn of(letters: impl IntoIterator<Item = DeadLetter>) -> Self {
        let queue = Arc::new(FakeQueue::with_room(10_000));
        let log = Arc::new(FakeLog::default());
        Self {
            producer: Producer {
                traces: Arc::new(Untraced),
                queue: queue.clone(),
                log: log.clone(),
                control: Arc::new(FakeControl::default()),
                clock: Arc::new(TokioClock::default()),
            },
            queue,
            log,
            letters: FakeLetters::of(letters),
        }
    }

    async fn replay(&self, choice: &Choice) -> Result<Option<(RunId, Produced)>, LetterError> {
        let stop = CancellationToken::new();
        replay(&self.producer, &self.letters, choice, TIMEOUT, &stop).await
    }

    fn published(&self) -> usize {
        self.queue.jobs.lock().unwrap().len()
    }
}

/// A letter of a job that had a hard time.
fn letter(idx: u32) -> DeadLetter {
    let image = samples::image();
    let policy = Policy {
        dry_run: false,
        timeout_secs: u64::from(idx) + 1,
        confirms_source: false,
        image: ImagePolicy::default(),
    };
    let first = job_for(
        &image,
        &samples::run(),
        idx,
        Trigger::Schedule,
        &policy,
        samples::now(),
    );
    let failure = Failure::new(Side::Source, Step::Check, "t", FailureClass::Timeout, "no");
    let mut job = first
        .after_attempt(samples::now(), failure, Duration::from_secs(9))
        .deferred(samples::now());
    job.so_far.bytes_copied = 7;
    DeadLetter {
        id: job.job_id.to_string(),
        died_at: samples::now(),
        reason: "no".to_owned(),
        job: Some(job),
        raw: None,
    }
}

fn jobless() -> DeadLetter {
    DeadLetter {
        id: "undecodable-7".to_owned(),
        job: None,
        raw: Some("{".to_owned()),
        ..letter(0)
    }
}

fn these(ids: &[&str]) -> Choice {
    Choice::These(ids.iter().map(|id| (*id).to_owned()).collect())
}

#[tokio::test(start_paused = true)]
async fn a_replayed_job_has_the_rules_of_its_image_and_a_version_for_workers_that_know_them() {
    let with = |idx, v, referrers: Option<Box<Referrers>>| {
        let mut letter = letter(idx);
        let job = letter.job.as_mut().unwrap();
        job.v = v;
        job.policy.image.referrers = referrers;
        letter
    };
    let bench = Bench::of([with(3, 2, None), with(4, 3, Some(Box::default()))]);
    bench.replay(&these(&["r1:3", "r1:4"])).await.unwrap();
    let jobs = bench.queue.jobs.lock().unwrap();
    let said = jobs
        .iter()
        .map(|(_, job)| (job.v, job.policy.image.referrers.is_some()));
    assert_eq!(said.collect::<Vec<_>>(), [(2, false), (3, true)]);
}

#[tokio::test(start_paused = true)]
async fn a_replayed_job_is_the_same_work_as_a_new_job_of_a_new_run() {
    let bench = Bench::of([letter(3), letter(4)]);
    let replayed = bench.replay(&these(&["r1:4", "r1:4"])).await.unwrap();
    let (run, produced) = replayed.unwrap();
    assert_eq!(produced, Produced::Sealed { jobs: 1 });
    assert_ne!(run, samples::run());
    let jobs = bench.queue.jobs.lock().unwrap();
    let [(lane, job)] = jobs.as_slice() else {
        panic!("one job, not {jobs:?}")
    };
    let old = letter(4).job.unwrap();
    assert_eq!((*lane, job.trigger), (Lane::Now, Trigger::Replay));
    assert_eq!((&job.run_id, job.idx), (&run, 0));
    assert_eq!(job.message_id(), format!("{run}:0"));
    assert_eq!((job.attempt, job.defers, job.not_before), (1, 0, None));
    assert!(job.history.is_empty() && job.so_far.is_nothing());
    assert_eq!((&job.source, &job.target), (&old.source, &old.target));
    assert_eq!((&job.platforms, &job.policy), (&old.platforms, &old.policy));
    let events = bench.log.events();
    let [
        RunEvent::Open(opened),
        RunEvent::Chunk { items, .. },
        RunEvent::Seal { expected: 1 },
    ] = events.as_slice()
    else {
        panic!("opened, named and sealed, not {events:?}")
    };
    assert_eq!(opened.cache_registry, "localhost:5000");
    assert_eq!(opened.deadline_at - opened.started_at, TIMEOUT);
    assert_eq!(items[0].target, old.target.image.to_string());
    assert_eq!(bench.letters.ids(), ["r1:3"]);
}

#[tokio::test(start_paused = true)]
async fn all_letters_are_one_run_and_those_without_a_job_stay() {
    let many = (0..1_200).map(letter);
    let bench = Bench::of(std::iter::once(jobless()).chain(many));
    let (_, produced) = bench.replay(&Choice::All).await.unwrap().unwrap();
    assert_eq!(produced, Produced::Sealed { jobs: 1_200 });
    let idx: Vec<u32> = bench
        .queue
        .jobs
        .lock()
        .unwrap()
        .iter()
        .map(|(_, job)| job.idx)
        .collect();
    assert_eq!(idx, (0..1_200).collect::<Vec<_>>());
    assert_eq!(bench.letters.ids(), ["undecodable-7"]);
}

#[tokio::test(start_paused = true)]
async fn where_there_is_nothing_to_replay_there_is_no_run() {
    for letters in [vec![], vec![jobless()]] {
        let bench = Bench::of(letters);
        assert_eq!(bench.replay(&Choice::All).await, Ok(None));
        assert!(bench.log.events().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_removed_only_once_all_are_published_and_sealed() {
    let bench = Bench::of((0..3).map(letter));
    bench.queue.room.close();
    let error = bench.replay(&Choice::All).await.unwrap_err();
    assert_eq!(error, LetterError::Queue(QueueError::Closed));
    assert_eq!(bench.letters.ids().len(), 3);

    let bench = Bench::of((0..3).map(letter));
    let stop = CancellationToken::new();
    stop.cancel();
    let replayed = replay(
        &bench.producer,
        &bench.letters,
        &Choice::All,
        TIMEOUT,
        &stop,
    )
    .await;
    let (_, produced) = replayed.unwrap().unwrap();
    assert!(matches!(produced, Produced::Stopped { .. }), "{produced:?}");
    assert_eq!(bench.letters.ids().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_where_a_letter_is_unknown() {
    let bench = Bench::of([letter(0)]);
    let choice = these(&["r1:0", "r1:8", "r1:9"]);
    let unknown = LetterError::Unknown(vec!["\"r1:8\"".to_owned(), "\"r1:9\"".to_owned()]);
    assert_eq!(bench.replay(&choice).await.unwrap_err(), unknown);
    assert_eq!(discard(&bench.letters, &choice).await.unwrap_err(), unknown);
    assert_eq!((bench.published(), bench.letters.ids().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_letter_without_a_job_is_not_replayed_nor_those_beside_it() {
    let bench = Bench::of([letter(0), jobless()]);
    let error = bench.replay(&these(&["r1:0", "undecodable-7"])).await;
    let error = error.unwrap_err();
    assert_eq!(error, LetterError::NoJob(vec!["undecodable-7".to_owned()]));
    assert_eq!((bench.published(), bench.letters.ids().len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_letter_with_a_job_of_an_unknown_kind_or_version_stays_for_a_version_that_knows_it() {
    let unknown = |idx: u32, change: fn(&mut Job)| {
        let mut letter = letter(idx);
        change(letter.job.as_mut().unwrap());
        letter
    };
    let deletion = unknown(1, |job| job.kind = JobKind::from("delete"));
    let newer = unknown(2, |job| job.v = 99);
    let bench = Bench::of([letter(0), deletion, newer]);
    let named = bench.replay(&these(&["r1:0", "r1:1", "r1:2"])).await;
    let unknown = ["r1:1", "r1:2"].map(str::to_owned).to_vec();
    assert_eq!(named.unwrap_err(), LetterError::UnknownKind(unknown));
    assert_eq!((bench.published(), bench.letters.ids().len()), (0, 3));
    let all = bench.replay(&Choice::All).await.unwrap();
    assert!(all.is_some());
    assert_eq!((bench.published(), bench.letters.ids().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn letters_are_dropped() {
    let bench = Bench::of((0..700).map(letter).chain([jobless()]));
    let named = discard(&bench.letters, &these(&["r1:5", "undecodable-7"])).await;
    assert_eq!((named, bench.letters.ids().len()), (Ok(2), 699));
    assert_eq!(discard(&bench.letters, &Choice::All).await, Ok(699));
    assert_eq!(discard(&bench.letters, &Choice::All).await, Ok(0));
    assert_eq!(bench.published(), 0);
}
