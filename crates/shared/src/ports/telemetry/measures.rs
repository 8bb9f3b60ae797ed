//! What is counted and measured while the program works.

use std::time::Duration;

use time::OffsetDateTime;

use crate::failure::FailureClass;
use crate::ports::queue::job_queue::Lane;
use crate::run::Trigger;
use crate::run::outcome::{ArtifactCounts, ResultKind};
use crate::run::report::RunStatus;

/// A request to a registry that has its answer, or will have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestEnded<'a> {
    /// `HOST` or `HOST:PORT`, without userinfo, path and query.
    pub host: &'a str,
    /// Its method.
    pub method: &'a str,
    /// The status of the answer; none where there was no answer.
    pub status: Option<u16>,
    /// From the sending to the head of the answer.
    pub took: Duration,
}

/// How a blob came to be at its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlobEnd {
    /// It was sent from the source.
    Copied,
    /// It was mounted from another repository of the target.
    Mounted,
    /// It was there.
    Present,
}

/// Is told what happens. Called often, so it must return at once.
pub trait Measures: Send + Sync {
    /// A request to a registry ended.
    fn request_ended(&self, request: RequestEnded<'_>) {
        let _ = request;
    }

    /// A slot is in use from now on.
    fn slot_taken(&self) {}

    /// A slot is free again.
    fn slot_freed(&self) {}

    /// A job was delivered so long after it was due.
    fn job_delivered(&self, lane: Lane, late: Duration) {
        let _ = (lane, late);
    }

    /// A job has its result.
    fn job_ended(&self, kind: ResultKind) {
        let _ = kind;
    }

    /// A job that an event of a registry led to has its result, so long after it was stored.
    fn event_job_ended(&self, took: Duration) {
        let _ = took;
    }

    /// A job that has its result did this with the artifacts of its image.
    fn artifacts_ended(&self, counts: ArtifactCounts) {
        let _ = counts;
    }

    /// An attempt failed, and its job was put back.
    fn job_put_back(&self, class: FailureClass) {
        let _ = class;
    }

    /// A blob is at its target.
    fn blob_ended(&self, how: BlobEnd) {
        let _ = how;
    }

    /// So many more bytes of blobs were sent to targets.
    fn bytes_copied(&self, bytes: u64) {
        let _ = bytes;
    }

    /// An open run is followed from now on.
    fn run_taken_up(&self) {}

    /// A run is followed no longer, as it ended or as it is left to another aggregator.
    fn run_laid_down(&self) {}

    /// A run ended so, and has its report.
    fn run_reported(&self, status: RunStatus) {
        let _ = status;
    }

    /// It is known that a run ended, whoever ended it, and whenever that was. Told in any order, and again after a restart.
    fn run_ended(&self, trigger: Trigger, status: RunStatus, at: OffsetDateTime) {
        let _ = (trigger, status, at);
    }

    /// The first result of a job was read from a run's log.
    fn result_folded(&self) {}

    /// A job that was delivered too often was given up.
    fn job_given_up(&self) {}

    /// A registry is left alone until a time.
    fn host_paused(&self, host: &str, until: OffsetDateTime) {
        let _ = (host, until);
    }
}

/// Measures nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmeasured;

impl Measures for Unmeasured {}
