use std::collections::VecDeque;

use image_sync_testkit::{TokioClock, samples};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::advance;

use super::*;

/// Keeps what it is told to store, once a permit lets it.
struct Kept {
    batches: Mutex<Vec<Vec<DueCheck>>>,
    answers: Mutex<VecDeque<QueueError>>,
    began: Semaphore,
    permits: Semaphore,
}

impl Kept {
    fn at_once() -> Arc<Self> {
        Self::with(Semaphore::MAX_PERMITS, [])
    }

    fn with(permits: usize, errors: impl Into<VecDeque<QueueError>>) -> Arc<Self> {
        Arc::new(Self {
            batches: Mutex::default(),
            answers: Mutex::new(errors.into()),
            began: Semaphore::new(0),
            permits: Semaphore::new(permits),
        })
    }

    /// The tags of each batch, those that are put off with a `+`.
    fn tags(&self) -> Vec<Vec<String>> {
        let tag = |check: &DueCheck| {
            let later = if check.not_before.is_some() { "+" } else { "" };
            format!("{}{later}", check.image.target_reference)
        };
        let batches = lock(&self.batches);
        batches
            .iter()
            .map(|batch| batch.iter().map(tag).collect())
            .collect()
    }
}

#[async_trait]
impl Jobs for Kept {
    async fn store(&self, checks: &[DueCheck]) -> Result<RunId, QueueError> {
        self.began.add_permits(1);
        self.permits.acquire().await.unwrap().forget();
        if let Some(error) = lock(&self.answers).pop_front() {
            return Err(error);
        }
        let mut batches = lock(&self.batches);
        batches.push(checks.to_vec());
        Ok(RunId::new(format!("r{}", batches.len())))
    }
}

fn image(tag: &str) -> ImageSpec {
    ImageSpec {
        target_reference: tag.parse().unwrap(),
        ..samples::image()
    }
}

struct TestIntake {
    intake: Arc<Intake>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl TestIntake {
    fn over(jobs: &Arc<Kept>) -> Self {
        let intake = Arc::new(Intake::new(Arc::new(TokioClock::starting_at(
            samples::now(),
        ))));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (runs, jobs, ends) = (Arc::clone(&intake), Arc::clone(jobs), stop.clone());
        tasks.spawn(async move { runs.run(&*jobs, &ends).await });
        Self {
            intake,
            stop,
            tasks,
        }
    }

    async fn take(&self, tags: &[&str]) -> Taken {
        self.take_of(tags, Some(Digest::of(b"told"))).await
    }

    async fn take_of(&self, tags: &[&str], digest: Option<Digest>) -> Taken {
        let concerning = |tag: &&str| Concerning {
            image: image(tag),
            digest: digest.clone(),
        };
        self.intake
            .take(tags.iter().map(concerning).collect())
            .await
    }
}

fn stored(run: &str, jobs: usize) -> Taken {
    let runs = vec![RunId::new(run)];
    Taken::Stored { runs, jobs }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_answered_once_its_jobs_are_stored() {
    let jobs = Kept::with(0, []);
    let test = TestIntake::over(&jobs);
    let take = test.take(&["a", "b"]);
    tokio::pin!(take);
    tokio::select! {
        taken = &mut take => panic!("{taken:?} before it was stored"),
        began = jobs.began.acquire() => began.unwrap().forget(),
    }
    jobs.permits.add_permits(1);
    assert_eq!(take.await, stored("r1", 2));
    assert_eq!(jobs.tags(), [["a", "b"]]);
}

#[tokio::test(start_paused = true)]
async fn events_that_come_while_others_are_stored_make_one_run() {
    let jobs = Kept::with(0, []);
    let test = TestIntake::over(&jobs);
    let first = test.take(&["a"]);
    let others = async {
        jobs.began.acquire().await.unwrap().forget();
        let together =
            async { tokio::join!(test.take(&["b"]), test.take(&["c"]), test.take(&["b"])) };
        let release = async { jobs.permits.add_permits(2) };
        tokio::join!(together, release).0
    };
    let (first, (second, third, again)) = tokio::join!(first, others);
    assert_eq!(first, stored("r1", 1));
    assert_eq!((second, third), (stored("r2", 1), stored("r2", 1)));
    assert_eq!(again, stored("r2", 0), "the same target, not stored yet");
    assert_eq!(jobs.tags(), [vec!["a"], vec!["b", "c"]]);
}

#[tokio::test(start_paused = true)]
async fn a_storm_on_one_target_is_one_check_at_once_and_one_later() {
    let jobs = Kept::at_once();
    let test = TestIntake::over(&jobs);
    let mut own = 0;
    for _ in 0..1_000 {
        let Taken::Stored { jobs, .. } = test.take(&["a"]).await else {
            panic!("not stored")
        };
        own += jobs;
        advance(Duration::from_millis(1)).await;
    }
    assert_eq!(own, 2);
    assert_eq!(jobs.tags(), [["a"], ["a+"]]);
    let due = lock(&jobs.batches)[1][0].not_before;
    assert_eq!(due, Some(samples::now() + Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_digest_leads_to_a_second_look() {
    let jobs = Kept::at_once();
    let test = TestIntake::over(&jobs);
    assert_eq!(test.take_of(&["a"], None).await, stored("r1", 2));
    assert_eq!(jobs.tags(), [["a", "a+"]]);
    // Which covers what follows.
    advance(Duration::from_secs(1)).await;
    let nothing_new = Taken::Stored {
        runs: Vec::new(),
        jobs: 0,
    };
    assert_eq!(test.take_of(&["a"], None).await, nothing_new);
}

#[tokio::test(start_paused = true)]
async fn a_check_waits_for_the_digest_of_the_last_event_before_it() {
    let jobs = Kept::with(0, []);
    let test = TestIntake::over(&jobs);
    let told = |text: &str| Some(Digest::of(text.as_bytes()));
    let first = test.take_of(&["other"], told("x"));
    let others = async {
        jobs.began.acquire().await.unwrap().forget();
        let (one, two) = (
            test.take_of(&["a"], told("1")),
            test.take_of(&["a"], told("2")),
        );
        let release = async { jobs.permits.add_permits(2) };
        tokio::join!(one, two, release)
    };
    tokio::join!(first, others);
    let awaited = lock(&jobs.batches)[1][0].awaited.clone();
    assert_eq!(awaited, told("2"));
    let later = test.take_of(&["a"], told("3"));
    jobs.permits.add_permits(1);
    later.await;
    let check = lock(&jobs.batches)[2][0].clone();
    assert!(check.not_before.is_some());
    assert_eq!(check.awaited, None, "it comes late enough");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_away_is_told_and_loses_no_event() {
    let away = || QueueError::Unreachable("no server".to_owned());
    let jobs = Kept::with(Semaphore::MAX_PERMITS, [away(), away(), away()]);
    let test = TestIntake::over(&jobs);
    let Taken::NotStored(why) = test.take(&["a"]).await else {
        panic!("stored")
    };
    assert!(why.contains("no server"), "{why}");
    // Sent again, and others: they wait behind what is tried again.
    let (again, other) = tokio::join!(test.take(&["a"]), test.take(&["b"]));
    assert_eq!(again, other);
    assert_eq!(again, stored("r2", 1));
    assert_eq!(jobs.tags(), [vec!["a"], vec!["a+", "b"]]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_answer_is_not_waited_for() {
    let jobs = Kept::with(0, []);
    let test = TestIntake::over(&jobs);
    let (first, second) = tokio::join!(test.take(&["a"]), test.take(&["b"]));
    for taken in [first, second] {
        let why = "the queue does not answer".to_owned();
        assert_eq!(taken, Taken::NotStored(why));
    }
    jobs.permits.add_permits(2);
    assert_eq!(test.take(&["c"]).await, stored("r2", 1));
    assert_eq!(jobs.tags(), [vec!["a", "b"], vec!["c"]]);
}

#[tokio::test(start_paused = true)]
async fn an_event_while_its_check_waits_to_be_stored_is_answered_with_it() {
    let jobs = Kept::with(1, []);
    let test = TestIntake::over(&jobs);
    assert_eq!(test.take(&["a"]).await, stored("r1", 1));
    let later = test.take(&["a"]);
    let covered = async {
        jobs.began.acquire_many(2).await.unwrap().forget();
        let release = async {
            // Only once the other one waits as well.
            advance(Duration::from_millis(10)).await;
            jobs.permits.add_permits(1);
        };
        tokio::join!(test.take(&["a"]), release).0
    };
    let (later, covered) = tokio::join!(later, covered);
    assert_eq!((later, covered), (stored("r2", 1), stored("r2", 0)));
    assert_eq!(jobs.tags(), [["a"], ["a+"]]);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_before_the_end_is_stored() {
    let jobs = Kept::with(0, []);
    let mut test = TestIntake::over(&jobs);
    let ends = async {
        jobs.began.acquire().await.unwrap().forget();
        test.stop.cancel();
        jobs.permits.add_permits(2);
    };
    let (taken, ()) = tokio::join!(test.take(&["a"]), ends);
    assert_eq!(taken, stored("r1", 1));
    test.tasks.join_next().await.unwrap().unwrap();
}
