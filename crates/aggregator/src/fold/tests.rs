//! The fold under every order, repetition and omission that a log may have.

use image_sync_shared::run::outcome::{Action, JobResult};
use image_sync_shared::run::report::{RunStatus, Summary};
use image_sync_shared::run::{RunEvent, RunOpened};
use image_sync_shared::secret::mac::MacKey;
use time::{Duration, OffsetDateTime};

use super::{Fold, MAX_EARLY};
use image_sync_testkit::samples::{chunk, entry, key, now, opened, proven, result, seal};

fn fold(events: impl IntoIterator<Item = RunEvent>) -> Fold {
    let mut fold = Fold::default();
    for event in events {
        fold.apply(event);
    }
    fold
}

fn open() -> RunEvent {
    RunEvent::Open(opened())
}

fn deadline() -> OffsetDateTime {
    opened().deadline_at
}

/// A small deterministic generator (xorshift), so that a failure can be seen again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.roll(last + 1));
        }
    }
}

const ACTIONS: [Action; 4] = [
    Action::Pulled,
    Action::AlreadyCached,
    Action::Skipped,
    Action::Failed,
];

#[test]
fn a_run_is_open_until_its_last_result() {
    let mut fold = Fold::default();
    assert_eq!(fold.ended(deadline()), None, "nothing is known of it");
    for event in [open(), chunk(0, 2), seal(2), result(1, Action::Pulled)] {
        fold.apply(event);
        assert_eq!(fold.ended(now()), None);
    }
    fold.apply(result(0, Action::Failed));
    assert_eq!(fold.ended(now()), Some(RunStatus::Complete));
    assert_eq!(fold.ended(deadline()), Some(RunStatus::Complete));
}

#[test]
fn a_run_whose_producer_was_interrupted_has_as_many_images_as_were_to_be_published() {
    let planned = RunEvent::Open(RunOpened {
        images: Some(7),
        ..opened()
    });
    let interrupted = fold([planned.clone(), chunk(0, 3), result(0, Action::Pulled)]);
    assert_eq!(interrupted.summary().total, 7);
    let more = fold([planned.clone(), chunk(0, 9)]);
    assert_eq!(more.summary().total, 9, "what is there counts");
    let sealed = fold([planned, chunk(0, 3), seal(3)]);
    assert_eq!(sealed.summary().total, 3);
}

#[test]
fn a_run_of_no_jobs_is_complete_once_it_is_sealed() {
    assert_eq!(fold([open()]).ended(now()), None);
    let sealed = fold([open(), seal(0)]);
    assert_eq!(sealed.ended(now()), Some(RunStatus::Complete));
    assert_eq!(sealed.summary(), Summary::default());
}

#[test]
fn a_run_that_lacks_results_is_incomplete_at_its_deadline_and_not_before() {
    let fold = fold([open(), chunk(0, 3), seal(3), result(2, Action::Pulled)]);
    assert_eq!(fold.ended(deadline() - Duration::MILLISECOND), None);
    assert_eq!(fold.ended(deadline()), Some(RunStatus::Incomplete));
    assert_eq!((fold.summary().pulled, fold.summary().total), (1, 3));
    assert_eq!(
        [0, 1, 2, 3].map(|idx| fold.is_missing(idx)),
        [true, true, false, false]
    );
}

#[test]
fn a_run_without_a_seal_is_abandoned_at_its_deadline_and_not_before() {
    let fold = fold([open(), chunk(0, 3), result(0, Action::Pulled)]);
    assert_eq!(fold.ended(deadline() - Duration::MILLISECOND), None);
    assert_eq!(fold.ended(deadline()), Some(RunStatus::Abandoned));
    assert_eq!((fold.summary().pulled, fold.summary().total), (1, 3));
}

#[test]
fn a_run_without_a_seal_is_abandoned_once_its_producer_is_silent_for_too_long() {
    let (limit, almost) = (
        std::time::Duration::from_secs(90),
        std::time::Duration::from_millis(89_999),
    );
    assert!(
        !fold([]).is_abandoned_after(limit),
        "nothing is known of it"
    );
    let open_run = fold([open(), chunk(0, 3)]);
    assert!(open_run.is_abandoned_after(limit));
    assert!(!open_run.is_abandoned_after(almost));
    assert!(!fold([open(), chunk(0, 3), seal(3)]).is_abandoned_after(limit));
}

#[test]
fn the_total_of_a_run_without_a_seal_is_what_was_named_or_arrived() {
    assert_eq!(fold([open()]).summary().total, 0);
    assert_eq!(fold([open(), chunk(0, 3), chunk(3, 5)]).summary().total, 5);
    assert_eq!(fold([open(), result(6, Action::Pulled)]).summary().total, 7);
}

#[test]
fn the_first_result_of_a_job_counts() {
    let mut fold = fold([open(), seal(2)]);
    assert_eq!(fold.apply(result(0, Action::Pulled)).len(), 1);
    assert!(fold.apply(result(0, Action::AlreadyCached)).is_empty());
    assert_eq!(
        fold.ended(now()),
        None,
        "a repetition does not stand for another image"
    );
    let summary = fold.summary();
    assert_eq!((summary.pulled, summary.already_cached), (1, 0));
    assert_eq!(fold.bytes_copied(), 10);
}

#[test]
fn the_first_opening_counts() {
    let mut later = opened();
    later.deadline_at += Duration::HOUR;
    let fold = fold([open(), RunEvent::Open(later), seal(1)]);
    assert_eq!(fold.opened(), Some(&opened()));
    assert_eq!(fold.ended(deadline()), Some(RunStatus::Incomplete));
}

#[test]
fn late_results_change_nothing() {
    let mut fold = fold([open(), seal(1), result(0, Action::Pulled)]);
    let before = (fold.summary(), fold.arrived(), fold.ended(now()));
    assert!(fold.apply(result(0, Action::Failed)).is_empty());
    fold.apply(seal(5));
    assert_eq!((fold.summary(), fold.arrived(), fold.ended(now())), before);
}

#[test]
fn results_past_the_seal_are_no_results_of_the_run() {
    let strays = [result(1, Action::Pulled), result(u32::MAX, Action::Failed)];
    let mut after = fold([open(), seal(1)]);
    for stray in strays.clone() {
        assert!(after.apply(stray).is_empty());
    }
    let before = fold([open()].into_iter().chain(strays).chain([seal(1)]));
    for fold in [after, before] {
        assert_eq!((fold.arrived(), fold.ended(now())), (0, None));
        assert_eq!(
            fold.summary(),
            Summary {
                missing: 1,
                total: 1,
                ..Summary::default()
            }
        );
    }
}

#[test]
fn bytes_of_results_past_the_seal_are_not_counted_whenever_the_seal_comes() {
    let results = [0, 1, 2, u32::MAX].map(|idx| result(idx, Action::Pulled));
    let after = fold([open(), seal(2)].into_iter().chain(results.clone()));
    let before = fold([open()].into_iter().chain(results).chain([seal(2)]));
    assert_eq!((after.bytes_copied(), before.bytes_copied()), (20, 20));
}

#[test]
fn attempts_are_no_results() {
    let attempt = RunEvent::Attempt {
        idx: 0,
        attempt: 1,
        defers: 0,
        error: "503".to_owned(),
        due: None,
        bytes_copied: 0,
    };
    let fold = fold([open(), seal(1), attempt]);
    assert_eq!((fold.arrived(), fold.ended(now())), (0, None));
}

#[test]
fn a_log_folds_to_the_same_in_any_order_and_with_any_repetition() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for round in 0..300 {
        let jobs = u32::try_from(dice.roll(40)).unwrap();
        let arrived = u32::try_from(dice.roll(jobs as usize + 1)).unwrap();
        let split = u32::try_from(dice.roll(jobs as usize + 1)).unwrap();
        let mut events = vec![open(), chunk(0, split), chunk(split, jobs)];
        let sealed = round % 5 != 0;
        events.extend(sealed.then(|| seal(jobs)));
        let actions: Vec<Action> = (0..arrived).map(|_| ACTIONS[dice.roll(4)]).collect();
        events.extend(
            (0..)
                .zip(&actions)
                .map(|(idx, action)| result(idx, *action)),
        );
        let repeats: Vec<RunEvent> = (0..dice.roll(10))
            .map(|_| events[dice.roll(events.len())].clone())
            .collect();
        events.extend(repeats);
        dice.shuffle(&mut events);

        let mut expected = Summary {
            total: jobs,
            ..Summary::default()
        };
        for action in &actions {
            expected.count(entry(0, *action).kind());
        }
        expected.missing = jobs - arrived;
        let fold = fold(events);
        assert_eq!(fold.summary(), expected, "round {round}");
        assert_eq!(fold.arrived(), arrived, "round {round}");
        assert_eq!(
            fold.bytes_copied(),
            10 * u64::from(arrived),
            "round {round}"
        );
        let complete = sealed && arrived == jobs;
        assert_eq!(fold.ended(now()), complete.then_some(RunStatus::Complete));
        let at_deadline = match (complete, sealed) {
            (true, _) => RunStatus::Complete,
            (false, true) => RunStatus::Incomplete,
            (false, false) => RunStatus::Abandoned,
        };
        assert_eq!(fold.ended(deadline()), Some(at_deadline), "round {round}");
    }
}

#[test]
fn a_result_is_handed_out_exactly_once_in_any_order() {
    let mut dice = Dice(77);
    for _ in 0..100 {
        let mut events = vec![open(), seal(20)];
        events.extend(
            (0..20).flat_map(|idx| [result(idx, Action::Pulled), result(idx, Action::Pulled)]),
        );
        dice.shuffle(&mut events);
        let mut fold = Fold::default();
        let mut handed_out: Vec<u32> = events
            .into_iter()
            .flat_map(|event| fold.apply(event))
            .map(|result| result.idx)
            .collect();
        handed_out.sort_unstable();
        assert_eq!(handed_out, (0..20).collect::<Vec<u32>>());
    }
}

fn open_with_key() -> RunEvent {
    RunEvent::Open(RunOpened {
        key: Some(key()),
        ..opened()
    })
}

/// A proven result, changed.
fn forged(idx: u32, change: impl FnOnce(&mut JobResult)) -> RunEvent {
    let RunEvent::Result(mut result) = proven(idx, Action::AlreadyCached) else {
        panic!("a result");
    };
    change(&mut result);
    RunEvent::Result(result)
}

#[test]
fn a_result_counts_only_with_the_code_of_its_job() {
    let other_key = MacKey::of_text("other");
    let forgeries = [
        result(0, Action::AlreadyCached),
        forged(0, |result| result.idx = 1),
        forged(0, |result| result.idx = u32::MAX),
        forged(0, |result| {
            result.entry.image = "quay.io/a/other".to_owned();
        }),
        forged(0, |result| result.entry.tag = "v1".to_owned()),
        forged(0, |result| {
            result.entry.target = "localhost:5000/x:v0".to_owned();
        }),
        forged(0, |result| result.mac = Some(other_key.mac(&["0"]))),
    ];
    let count = forgeries.len() as u64;
    let mut fold = fold([open_with_key(), chunk(0, 2), seal(2)]);
    for forgery in forgeries {
        assert!(fold.apply(forgery.clone()).is_empty(), "{forgery:?}");
    }
    assert_eq!((fold.arrived(), fold.ended(now())), (0, None));
    assert_eq!((fold.unproven(), fold.bytes_copied()), (count, 0));
    for idx in 0..2 {
        let counted = fold.apply(proven(idx, Action::Pulled));
        assert_eq!(
            counted.len(),
            1,
            "a forgery does not stand in for the true result"
        );
    }
    assert_eq!(fold.ended(now()), Some(RunStatus::Complete));
}

#[test]
fn results_before_the_opening_wait_for_its_key_and_are_few() {
    let flood = (0..1_000).map(|_| result(0, Action::AlreadyCached));
    let mut events = vec![proven(0, Action::Pulled)];
    events.extend(flood);
    let mut fold = fold(events);
    assert!(fold.early.len() <= MAX_EARLY);
    let counted = fold.apply(open_with_key());
    assert_eq!(counted.len(), 1);
    assert_eq!(
        (counted[0].idx, counted[0].entry.action),
        (0, Action::Pulled)
    );
}

#[test]
fn sums_of_any_numbers_do_not_overflow() {
    let huge = |idx| forged_bytes(idx, u64::MAX);
    let fold = fold([open(), seal(2), huge(0), huge(1)]);
    assert_eq!(fold.bytes_copied(), u64::MAX);
    assert_eq!(fold.ended(now()), Some(RunStatus::Complete));
}

fn forged_bytes(idx: u32, bytes: u64) -> RunEvent {
    forged(idx, |result| result.entry.bytes_copied = bytes)
}

#[test]
fn a_run_of_an_earlier_version_has_no_key_and_takes_results_without_a_code() {
    let fold = fold([open(), chunk(0, 1), seal(1), result(0, Action::Pulled)]);
    assert_eq!(fold.ended(now()), Some(RunStatus::Complete));
}
