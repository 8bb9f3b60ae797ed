//! What becomes of jobs.

use std::time::Duration;

use image_sync_fuzzkit::{MAX_TEXT_BYTES, assert_presentable, first_lines};
use image_sync_shared::failure::{Failure, Side};
use image_sync_shared::job::{Job, MAX_HISTORY};
use image_sync_shared::run::RunEvent;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;

use crate::account::Account;
use crate::settings::WorkerSettings;
use crate::settle::{Ended, Paused, Settlement, after_work, before_work};

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

/// A job in the first line, a failure in the second and a date in the third: what was put back is a job still, and what is
/// told of it can be written.
pub fn settle(input: &[u8]) {
    let ([job, failure, date], _) = first_lines(input);
    let Ok(job) = serde_json::from_slice::<Job>(job) else {
        return;
    };
    let settings = WorkerSettings::new("w1", 1);
    let date = image_sync_fuzzkit::text(date);
    if let Ok(until) = OffsetDateTime::parse(date, &Rfc3339) {
        let paused = [Paused {
            side: Side::Source,
            host: "a.test",
            until,
        }];
        let settled = before_work(&job, false, &paused, &settings, NOW);
        if let Some(settled) = &settled {
            holds(&job, settled);
        }
    }
    if let Ok(failure) = serde_json::from_slice::<Failure>(failure) {
        let ended = Ended {
            outcome: Err(failure),
            account: Account::default(),
            duration: Duration::from_secs(1),
        };
        holds(&job, &after_work(&job, ended, false, &settings, NOW));
    }
}

fn holds(job: &Job, settled: &Settlement) {
    match settled {
        Settlement::Drop => {}
        Settlement::Finish { result, letter, .. } => {
            let error = result.entry.error.as_deref().unwrap_or_default();
            assert_presentable(error);
            if let Some(letter) = letter {
                assert_presentable(&letter.reason);
            }
        }
        Settlement::Requeue { successor, event } => {
            assert_eq!(successor.attempt, job.attempt.saturating_add(1));
            is_a_successor(successor);
            is_an_event(event);
        }
        Settlement::Defer {
            successor,
            event,
            why,
            ..
        } => {
            assert_eq!(successor.attempt, job.attempt);
            assert!(successor.defers > job.defers || job.defers == u32::MAX);
            is_a_successor(successor);
            event.iter().for_each(is_an_event);
            assert_presentable(why);
        }
    }
}

fn is_a_successor(job: &Job) {
    assert!(job.history.len() <= MAX_HISTORY);
    let json = serde_json::to_string(job).unwrap_or_default();
    let again = serde_json::from_str::<Job>(&json).ok();
    assert_eq!(again.as_ref(), Some(job), "written as {json}");
}

fn is_an_event(event: &RunEvent) {
    let json = serde_json::to_string(event).unwrap_or_default();
    assert!(json.len() <= 2 * MAX_TEXT_BYTES, "{json}");
    assert_eq!(serde_json::from_str(&json).ok().as_ref(), Some(event));
}
