//! The queue of a single process: the semantics of the JetStream queue in memory. It is not durable: what it holds ends with
//! the process. One is made per run, or one for all runs of a process that lasts, which forgets those that ended long ago.
//!
//! Memory follows what is in flight and not the length of the catalog: lane bulk is bounded, the logs of runs go to a
//! temporary file, and the ids in the dedupe windows and the dead letters are bounded in number. Jobs put back wait in
//! lane retry, which is not bounded: a worker must always be able to give a job back.

mod dead_letters;
mod fleet;
mod host_pauses;
mod jobs;
mod leases;
mod memos;
mod recent_ids;
mod reports;
mod run_control;
mod run_log;
mod run_states;
mod waiting;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::job_queue::{DEFAULT_MAX_DELIVER, Lane};
use image_sync_shared::run::RunId;

use crate::Ports;
use dead_letters::InProcessDeadLetters;
use fleet::InProcessFleet;
use host_pauses::InProcessHostPauses;
use jobs::Jobs;
use jobs::backlog::InProcessBacklog;
use jobs::job_queue::InProcessJobQueue;
use leases::InProcessLeases;
use memos::InProcessMemos;
use reports::InProcessReports;
use run_control::InProcessRunControl;
use run_log::InProcessRunLog;
use run_states::{InProcessRunStates, SharedRunStates};

/// The numbers of an in-process queue. The defaults are those of the JetStream queue, where it has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InProcessSettings {
    /// How long a job may be out unsettled before it comes again.
    pub visibility: Duration,
    /// How often a job is delivered before it is poison; at least once.
    pub max_deliver: u64,
    /// For how long repeats of a job or an event are dropped.
    pub dedupe_window: Duration,
    /// How many ids are remembered inside that window, for jobs and for each run's log; the oldest is forgotten first. A
    /// repeat that slips through is work done twice, nothing worse.
    pub dedupe_capacity: usize,
    /// How many jobs lane bulk holds, delivered ones included, before a publish waits; at least one.
    pub bulk_capacity: usize,
    /// How long a lease lasts that is not renewed.
    pub lease_term: Duration,
    /// How many dead letters are kept; the oldest is dropped first.
    pub dead_letters: usize,
    /// Where the logs of runs are spooled to; none is the system's own place for temporary files.
    pub temp_dir: Option<PathBuf>,
}

impl Default for InProcessSettings {
    fn default() -> Self {
        Self {
            visibility: Duration::from_secs(60),
            max_deliver: DEFAULT_MAX_DELIVER,
            dedupe_window: Duration::from_secs(10 * 60),
            dedupe_capacity: 100_000,
            bulk_capacity: 1_024,
            lease_term: Duration::from_secs(45),
            dead_letters: 1_000,
            temp_dir: None,
        }
    }
}

/// The queue of a single process.
pub struct InProcess {
    ports: Ports,
    log: Arc<InProcessRunLog>,
    jobs: Arc<Jobs>,
    control: Arc<InProcessRunControl>,
    reports: Arc<InProcessReports>,
}

impl InProcess {
    /// An empty queue that takes the time of day from `clock`.
    #[must_use]
    pub fn new(settings: InProcessSettings, clock: Arc<dyn Clock>) -> Self {
        let letters = Arc::new(InProcessDeadLetters::new(settings.dead_letters));
        let jobs = Arc::new(Jobs::new(
            &settings,
            Arc::clone(&clock),
            Arc::clone(&letters),
        ));
        let leases = Arc::new(InProcessLeases::new(settings.lease_term));
        let states = Arc::<InProcessRunStates>::default();
        let log = Arc::new(InProcessRunLog::new(settings.clone()));
        let control = Arc::new(InProcessRunControl::new(
            Arc::clone(&clock),
            Arc::clone(&states),
        ));
        let reports = Arc::new(InProcessReports::new(settings.temp_dir));
        let ports = Ports {
            jobs: Arc::new(InProcessJobQueue::new(Arc::clone(&jobs))),
            backlog: Arc::new(InProcessBacklog::new(
                Arc::clone(&jobs),
                Arc::clone(&letters),
            )),
            letters,
            leases,
            pauses: Arc::new(InProcessHostPauses::new(Arc::clone(&clock))),
            runs: Arc::<InProcessRunControl>::clone(&control),
            states: Arc::new(SharedRunStates(states)),
            reports: Arc::<InProcessReports>::clone(&reports),
            memos: Arc::<InProcessMemos>::default(),
            fleet: Arc::<InProcessFleet>::default(),
            clock,
            log: Arc::<InProcessRunLog>::clone(&log),
        };
        Self {
            ports,
            log,
            jobs,
            control,
            reports,
        }
    }

    /// Its ports.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Keeps nothing of a run any more: neither its log nor its state and its report. For runs that ended, and of which all
    /// who follow runs have heard.
    pub fn forget(&self, run: &RunId) {
        self.log.forget(run);
        self.reports.forget(run);
        self.control.forget(run);
    }

    /// Stores a message in the log of a run as it is: what another program, or a newer version of this one, might have sent.
    /// For tests.
    pub fn append_raw(&self, run: &RunId, message: &[u8]) -> Result<(), QueueError> {
        let id = String::from_utf8_lossy(message);
        self.log.store(run, &id, message.to_vec())
    }

    /// Stores a message as it is: what another program, or a newer version of this one, might have sent. For tests.
    pub fn publish_raw(&self, lane: Lane, run: &RunId, message: &[u8]) {
        self.jobs.store_raw(lane, run, message);
    }
}
