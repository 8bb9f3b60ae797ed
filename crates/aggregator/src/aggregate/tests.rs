//! The aggregator over a log in memory.

use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::ports::telemetry::measures::Unmeasured;
use image_sync_shared::ports::telemetry::trace_context::Untraced;
use image_sync_shared::run::RunEvent;
use image_sync_shared::run::outcome::Action;
use image_sync_shared::run::report::{MissingImage, Report, RunStatus, Summary};
use image_sync_testkit::TokioClock;
use image_sync_testkit::ports::FakeLog;
use image_sync_testkit::samples::{self, chunk, entry, missing, opened, result, run, seal};
use tokio_util::sync::CancellationToken;

use super::{AggregateError, Aggregator, Ending, FinishedRun, LOOK};

mod late;
mod other_versions;
mod report;

const HOUR: Duration = Duration::from_secs(3600);

fn open() -> RunEvent {
    RunEvent::Open(opened())
}

fn aggregator(log: &Arc<FakeLog>) -> Aggregator {
    Aggregator {
        traces: Arc::new(Untraced),
        measures: Arc::new(Unmeasured),
        log: log.clone(),
        clock: Arc::new(TokioClock::default()),
    }
}

async fn follow(events: impl IntoIterator<Item = RunEvent>) -> FinishedRun {
    let log = Arc::new(FakeLog::of(events));
    let stop = CancellationToken::new();
    aggregator(&log).follow(&run(), &stop).await.unwrap()
}

fn written(finished: &mut FinishedRun) -> String {
    let mut json = Vec::new();
    finished.write_json(&mut json).unwrap();
    String::from_utf8(json).unwrap()
}

fn report(finished: &mut FinishedRun) -> Report {
    serde_json::from_str(&written(finished)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_complete_run_has_its_results_in_the_order_of_the_catalog() {
    let results = [
        (2, Action::Failed),
        (0, Action::Pulled),
        (1, Action::AlreadyCached),
    ];
    let results = results.map(|(idx, action)| result(idx, action));
    let mut finished = follow([open(), chunk(0, 3), seal(3)].into_iter().chain(results)).await;
    assert_eq!(finished.ending, Ending::Complete);
    assert_eq!(finished.opened.config_hash, "c0ffee");
    let expected = Report {
        head: finished.head.clone(),
        results: vec![
            entry(0, Action::Pulled),
            entry(1, Action::AlreadyCached),
            entry(2, Action::Failed),
        ],
        missing: Vec::new(),
    };
    assert_eq!(report(&mut finished), expected);
    assert_eq!(report(&mut finished), expected, "it can be written again");
    let entries: Vec<_> = finished.results().map(Result::unwrap).collect();
    assert_eq!(entries, expected.results);
    assert_eq!(
        finished.head.summary,
        Summary {
            pulled: 1,
            already_cached: 1,
            skipped: 0,
            failed: 1,
            total: 3,
            ..Summary::default()
        }
    );
    assert_eq!(finished.head.bytes_copied, 30);
    assert_eq!(finished.head.started_at, samples::now());
    assert_eq!(finished.head.status, RunStatus::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_complete_run_does_not_wait_and_is_read_once() {
    let log = Arc::new(FakeLog::of([open(), seal(1), result(0, Action::Pulled)]));
    let finished = aggregator(&log)
        .follow(&run(), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(finished.head.duration_ms, 0);
    assert_eq!(log.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_no_images_has_a_report() {
    let mut finished = follow([open(), seal(0)]).await;
    let report = report(&mut finished);
    assert_eq!((report.results, report.missing), (Vec::new(), Vec::new()));
    assert_eq!(report.head.summary, Summary::default());
}

#[tokio::test(start_paused = true)]
async fn results_are_taken_as_they_come() {
    let log = Arc::new(FakeLog::of([open(), chunk(0, 2)]));
    let (aggregator, stop) = (aggregator(&log), CancellationToken::new());
    let run = run();
    let follow = aggregator.follow(&run, &stop);
    let work = async {
        for event in [
            result(1, Action::Pulled),
            result(1, Action::Pulled),
            seal(2),
            result(0, Action::Skipped),
        ] {
            tokio::time::sleep(Duration::from_secs(20)).await;
            log.add(event);
        }
    };
    let (finished, ()) = tokio::join!(follow, work);
    let mut finished = finished.unwrap();
    assert_eq!(finished.head.duration_ms, 4 * 20 * 1000);
    let actions: Vec<Action> = report(&mut finished)
        .results
        .iter()
        .map(|entry| entry.action)
        .collect();
    assert_eq!(actions, [Action::Skipped, Action::Pulled]);
}

#[tokio::test(start_paused = true)]
async fn at_its_deadline_a_run_ends_and_names_what_is_missing() {
    let events = [
        open(),
        chunk(0, 2),
        chunk(2, 5),
        seal(5),
        result(3, Action::Pulled),
        result(0, Action::Pulled),
    ];
    let mut finished = follow(events).await;
    assert_eq!(finished.ending, Ending::DeadlinePassed);
    assert_eq!(finished.head.status, RunStatus::Incomplete);
    let waited = Duration::from_millis(finished.head.duration_ms);
    assert!((HOUR..HOUR + 2 * LOOK).contains(&waited), "{waited:?}");
    let report = report(&mut finished);
    assert_eq!(report.missing, [1, 2, 4].map(missing));
    assert_eq!(report.results.len(), 2);
    assert_eq!(report.head.summary.total, 5);
}

fn attempt(idx: u32, attempt: u32, defers: u32, error: &str) -> RunEvent {
    let error = error.to_owned();
    RunEvent::Attempt {
        idx,
        attempt,
        defers,
        error,
        due: None,
        bytes_copied: 0,
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_says_what_its_last_attempt_said() {
    let events = [
        attempt(0, 2, 0, "503"),
        open(),
        attempt(0, 1, 0, "502"),
        attempt(1, 0, 1, "429"),
        attempt(1, 0, 2, "429 again"),
        attempt(2, 1, 0, "503"),
        chunk(0, 4),
        seal(4),
        result(2, Action::Pulled),
    ];
    let mut finished = follow(events).await;
    let said = |idx, attempts, error: &str| MissingImage {
        attempts,
        error: Some(error.to_owned()),
        ..missing(idx)
    };
    let report = report(&mut finished);
    assert_eq!(
        report.missing,
        [said(0, 2, "503"), said(1, 0, "429 again"), missing(3)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_producer_died_ends_abandoned() {
    let mut finished = follow([open(), chunk(0, 3), result(1, Action::Pulled)]).await;
    assert_eq!(finished.ending, Ending::Abandoned);
    let report = report(&mut finished);
    assert_eq!(report.head.status, RunStatus::Abandoned);
    assert_eq!(report.missing, [0, 2].map(missing));
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_is_silent_for_too_long_is_taken_for_dead() {
    let aggregator = aggregator(&Arc::new(FakeLog::of([open(), chunk(0, 3)])));
    let start = aggregator.clock.now();
    let stop = CancellationToken::new();
    let finished = aggregator.follow(&run(), &stop).await.unwrap();
    assert_eq!(finished.ending, Ending::Abandoned);
    assert_eq!(aggregator.clock.now() - start, Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_tells_that_it_is_at_work_is_waited_for() {
    let log = Arc::new(FakeLog::of([open(), chunk(0, 1)]));
    let aggregator = aggregator(&log);
    let (start, stop) = (aggregator.clock.now(), CancellationToken::new());
    let produce = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(80)).await;
            let at = aggregator.clock.now();
            log.add(RunEvent::Alive { at });
        }
        log.add(result(0, Action::Pulled));
        log.add(seal(1));
    };
    let run = run();
    let (finished, ()) = tokio::join!(aggregator.follow(&run, &stop), produce);
    assert_eq!(finished.unwrap().ending, Ending::Complete);
    assert_eq!(aggregator.clock.now() - start, Duration::from_secs(1600));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_it_with_what_the_log_has() {
    let log = Arc::new(FakeLog::of([
        open(),
        chunk(0, 3),
        seal(3),
        result(0, Action::Pulled),
    ]));
    let stop = CancellationToken::new();
    stop.cancel();
    let mut finished = aggregator(&log).follow(&run(), &stop).await.unwrap();
    assert_eq!(finished.ending, Ending::Interrupted);
    let report = report(&mut finished);
    assert_eq!(report.head.status, RunStatus::Incomplete);
    assert_eq!(
        (report.results.len(), report.missing),
        (1, vec![missing(1), missing(2)])
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_undo_a_complete_run() {
    let log = Arc::new(FakeLog::of([open(), seal(1), result(0, Action::Pulled)]));
    let stop = CancellationToken::new();
    stop.cancel();
    let finished = aggregator(&log).follow(&run(), &stop).await.unwrap();
    assert_eq!(finished.ending, Ending::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_never_opened_has_no_report() {
    let log = Arc::new(FakeLog::default());
    let stop = CancellationToken::new();
    stop.cancel();
    let followed = aggregator(&log).follow(&run(), &stop).await;
    let error = followed.err().unwrap();
    assert!(matches!(error, AggregateError::NotOpened(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "run r1 has no log, expected one that begins with its opening"
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_that_lost_its_beginning_is_told_from_one_that_has_none() {
    let log = Arc::new(FakeLog::of([RunEvent::Seal { expected: 1 }]));
    let followed = aggregator(&log)
        .follow(&run(), &CancellationToken::new())
        .await;
    let error = followed.err().unwrap();
    assert!(matches!(error, AggregateError::BeginningLost(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_producer_died_as_it_opened_it_is_not_waited_for_until_its_deadline() {
    let (log, start) = (Arc::new(FakeLog::default()), tokio::time::Instant::now());
    let stop = CancellationToken::new();
    let followed = aggregator(&log).follow(&run(), &stop).await;
    let error = followed.err().unwrap();
    assert!(matches!(error, AggregateError::NotOpened(_)), "{error}");
    assert!(start.elapsed() < HOUR);
}

#[tokio::test(start_paused = true)]
async fn an_aggregator_that_starts_after_the_deadline_reads_the_log_to_its_end() {
    let log = Arc::new(FakeLog::of([
        open(),
        seal(2),
        result(1, Action::Pulled),
        result(0, Action::Pulled),
    ]));
    let aggregator = aggregator(&log);
    tokio::time::advance(2 * HOUR).await;
    let finished = aggregator
        .follow(&run(), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(finished.ending, Ending::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_never_quiet_does_not_outlive_the_deadline() {
    let log = Arc::new(FakeLog::of([open(), seal(2)]));
    let (aggregator, stop) = (aggregator(&log), CancellationToken::new());
    let run = run();
    let babble = async {
        for _ in 0..40_000 {
            tokio::time::sleep(LOOK / 2).await;
            log.add(result(0, Action::Pulled));
        }
    };
    let finished = tokio::select! {
        finished = aggregator.follow(&run, &stop) => finished.unwrap(),
        () = babble => panic!("it does not end"),
    };
    assert_eq!(finished.ending, Ending::DeadlinePassed);
    let waited = Duration::from_millis(finished.head.duration_ms);
    assert!((HOUR..HOUR + 2 * LOOK).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_report_larger_than_memory_is_meant_for_is_the_same() {
    let images = 5_000;
    let results = (0..images).rev().map(|idx| result(idx, Action::Pulled));
    let mut finished = follow([open(), seal(images)].into_iter().chain(results)).await;
    let report = report(&mut finished);
    let expected: Vec<_> = (0..images).map(|idx| entry(idx, Action::Pulled)).collect();
    assert!(report.results == expected);
    assert_eq!(report.head.summary.pulled, images);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_cannot_be_written_says_so() {
    let mut finished = follow([open(), seal(1), result(0, Action::Pulled)]).await;
    let error = finished.write_json(&mut &mut [0_u8; 64][..]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WriteZero);
}
