//! Messages that have to fit into what a server takes: each is written smaller until it does, and at last as its id and the
//! reason.

use image_sync_shared::job::Job;
use image_sync_shared::outcome::ImageResult;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::dead_letters::DeadLetter;
use image_sync_shared::run::RunEvent;
use image_sync_shared::text::excerpt;
use serde::Serialize;

/// As much of a message that is no job as its dead letter shows, in bytes.
pub(crate) const MAX_RAW: usize = 64 * 1024;
/// As much of it as a letter shows that has to be smaller.
const SMALL_RAW: usize = 1024;

/// A dead letter as JSON of at most `limit` bytes: whole, else without what its job has gone through, or with the start of
/// its message, else without either.
pub(crate) fn letter(letter: &DeadLetter, limit: usize) -> Result<Vec<u8>, QueueError> {
    let what = || format!("dead letter {}", excerpt(&letter.id));
    let raw = |bytes| letter.raw.as_deref().map(|raw| start(raw, bytes));
    let whole = DeadLetter {
        raw: raw(MAX_RAW),
        ..letter.clone()
    };
    let smaller = DeadLetter {
        job: letter.job.clone().map(without_history),
        raw: raw(SMALL_RAW),
        ..letter.clone()
    };
    let smallest = DeadLetter {
        reason: excerpt(&letter.reason),
        job: None,
        raw: None,
        ..letter.clone()
    };
    first_that_fits(&[whole, smaller, smallest], limit, &what)
}

/// An event as JSON of at most `limit` bytes: whole, else with its texts cut, else without those that its log has elsewhere.
pub(crate) fn event(event: &RunEvent, limit: usize) -> Result<Vec<u8>, QueueError> {
    let what = || "an event of a run".to_owned();
    let forms: Vec<RunEvent> = match event {
        RunEvent::Result(result) => {
            let with = |entry| {
                let mut result = result.clone();
                result.worker = excerpt(&result.worker);
                result.entry = entry;
                RunEvent::Result(result)
            };
            let (cut, bare) = (cut(&result.entry), bare(&result.entry));
            vec![event.clone(), with(cut), with(bare)]
        }
        RunEvent::Attempt {
            idx,
            attempt,
            defers,
            error,
            due,
        } => {
            let cut = RunEvent::Attempt {
                idx: *idx,
                attempt: *attempt,
                defers: *defers,
                error: excerpt(error),
                due: *due,
            };
            vec![event.clone(), cut]
        }
        _ => return first_that_fits(&[event], limit, &what),
    };
    first_that_fits(&forms, limit, &what)
}

/// A job as JSON of at most `limit` bytes: whole, else without its past attempts.
pub(crate) fn job(job: &Job, limit: usize) -> Result<Vec<u8>, QueueError> {
    let what = || format!("job {}", job.job_id);
    match first_that_fits(&[job], limit, &what) {
        Err(_) if !job.history.is_empty() => {
            first_that_fits(&[without_history(job.clone())], limit, &what)
        }
        written => written,
    }
}

fn first_that_fits<T: Serialize>(
    forms: &[T],
    limit: usize,
    what: &dyn Fn() -> String,
) -> Result<Vec<u8>, QueueError> {
    let mut length = 0;
    for form in forms {
        let json = serde_json::to_vec(form).map_err(|error| {
            let what = what();
            QueueError::Refused(format!("{what} cannot be written: {}", excerpt(error)))
        })?;
        if json.len() <= limit {
            return Ok(json);
        }
        length = json.len();
    }
    let what = what();
    Err(QueueError::Refused(format!(
        "{what} has {length} bytes, and NATS takes {limit}: its max payload must be larger"
    )))
}

fn without_history(job: Job) -> Job {
    Job {
        history: Vec::new(),
        ..job
    }
}

fn cut(entry: &ImageResult) -> ImageResult {
    ImageResult {
        image: excerpt(&entry.image),
        tag: excerpt(&entry.tag),
        error: entry.error.as_ref().map(excerpt),
        target: excerpt(&entry.target),
        platform: excerpt(&entry.platform),
        ..entry.clone()
    }
}

/// The names of an image stand in the log of its run besides.
fn bare(entry: &ImageResult) -> ImageResult {
    ImageResult {
        image: String::new(),
        tag: String::new(),
        target: String::new(),
        platform: String::new(),
        ..cut(entry)
    }
}

fn start(text: &str, bytes: usize) -> String {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
    use image_sync_shared::job::PastAttempt;
    use image_sync_shared::outcome::{Action, BlobCounts, JobResult};
    use time::OffsetDateTime;

    use super::*;
    use crate::message::tests::a_job;

    const MIB: usize = 1024 * 1024;

    fn a_letter() -> DeadLetter {
        let mut job = a_job();
        let evil = "\"\u{fffd}".repeat(500_000);
        let failure = Failure::new(
            Side::Source,
            Step::Check,
            &evil,
            FailureClass::Timeout,
            &evil,
        );
        job.history = vec![
            PastAttempt {
                at: OffsetDateTime::UNIX_EPOCH,
                failure,
            };
            5
        ];
        DeadLetter {
            id: job.job_id.to_string(),
            died_at: OffsetDateTime::UNIX_EPOCH,
            reason: evil.clone(),
            job: Some(job),
            raw: Some("\0".repeat(MIB)),
        }
    }

    #[test]
    fn a_dead_letter_fits_whatever_a_server_takes_and_keeps_its_id_and_reason() {
        let whole = a_letter();
        for (limit, has_job) in [(MIB, true), (12_000, true), (2_000, false), (500, false)] {
            let json = letter(&whole, limit).unwrap();
            assert!(json.len() <= limit, "{} of {limit}", json.len());
            let read: DeadLetter = serde_json::from_slice(&json).unwrap();
            assert_eq!((&read.id, read.job.is_some()), (&whole.id, has_job));
            assert!(read.reason.starts_with("\"\u{fffd}\""), "{}", read.reason);
        }
        let error = letter(&whole, 100).unwrap_err().to_string();
        assert!(error.contains("NATS takes 100"), "{error}");
    }

    #[test]
    fn a_result_fits_whatever_a_server_takes_and_keeps_its_place_and_reason() {
        let evil = "\"\u{fffd}".repeat(500_000);
        let result = RunEvent::Result(Box::new(JobResult {
            idx: 7,
            worker: evil.clone(),
            class: Some(FailureClass::Invalid),
            mac: None,
            entry: ImageResult {
                image: evil.clone(),
                tag: evil.clone(),
                action: Action::Failed,
                remote_digest: None,
                cached_digest: None,
                duration_ms: 1,
                error: Some(evil.clone()),
                target: evil.clone(),
                platform: evil.clone(),
                expected_digest: None,
                attempts: 1,
                bytes_copied: 0,
                blobs: BlobCounts::default(),
                would_copy: None,
                attestations_left_out: 0,
            },
        }));
        for limit in [MIB, 4_000, 1_200] {
            let json = event(&result, limit).unwrap();
            assert!(json.len() <= limit, "{} of {limit}", json.len());
            let RunEvent::Result(read) = serde_json::from_slice(&json).unwrap() else {
                panic!("another event");
            };
            assert_eq!((read.idx, read.class), (7, Some(FailureClass::Invalid)));
            assert!(read.entry.error.unwrap().starts_with("\"\u{fffd}\""));
        }
        let attempt = RunEvent::Attempt {
            idx: 7,
            attempt: 1,
            defers: 0,
            error: evil,
            due: None,
        };
        assert!(event(&attempt, 500).unwrap().len() <= 500);
    }

    #[test]
    fn a_job_that_does_not_fit_is_put_back_without_its_past_attempts() {
        let job_of_letter = a_letter().job.unwrap();
        let small = job(&job_of_letter, 2_000).unwrap();
        let read: Job = serde_json::from_slice(&small).unwrap();
        assert_eq!(read, without_history(job_of_letter.clone()));
        let error = job(&job_of_letter, 100).unwrap_err().to_string();
        assert!(error.contains("job r1:0 has"), "{error}");
    }
}
