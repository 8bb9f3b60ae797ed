//! A worker to test: a queue in memory, registries in memory, and workers over both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use image_sync_queue::in_process::{InProcess, InProcessSettings};
use image_sync_queue::memo::MemoryMemo;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::ports::telemetry::progress::Silent;
use image_sync_shared::run::job::{Job, JobId};
use image_sync_shared::run::outcome::JobResult;
use image_sync_shared::run::{RunEvent, RunId};
use image_sync_testkit::TokioClock;
use tokio::task::JoinSet;

use super::FOREVER;
use super::fake_registries::FakeRegistries;
use crate::context::WorkerPorts;
use crate::context::blob_index::BlobIndex;
use crate::context::settings::WorkerSettings;
use crate::context::single_flight::LocalSingleFlight;
use crate::run_loop::Worker;
use crate::run_loop::shutdown::Shutdown;

/// Everything that outlives a worker.
pub(crate) struct TestWorker {
    pub(crate) registries: Arc<FakeRegistries>,
    pub(crate) queue: InProcess,
    pub(crate) memo: Arc<MemoryMemo>,
    pub(crate) clock: Arc<TokioClock>,
    pub(crate) settings: WorkerSettings,
    runs: AtomicU32,
}

/// What a run came to.
pub(crate) struct TestRun {
    pub(crate) run: RunId,
    /// In the order of the jobs.
    pub(crate) results: Vec<JobResult>,
    /// Of jobs that came again: which one, how many attempts had failed, why.
    pub(crate) attempts: Vec<(u32, u32, String)>,
}

/// A worker at work.
pub(crate) struct RunningWorker {
    pub(crate) shutdown: Shutdown,
    worker: JoinSet<()>,
}

impl TestWorker {
    pub(crate) fn new() -> Self {
        Self::with_queue(InProcessSettings::default())
    }

    pub(crate) fn with_queue(settings: InProcessSettings) -> Self {
        let clock = Arc::new(TokioClock::default());
        let queue_clock: Arc<dyn Clock> = Arc::<TokioClock>::clone(&clock);
        Self {
            registries: Arc::default(),
            queue: InProcess::new(settings, queue_clock),
            memo: Arc::default(),
            clock,
            settings: WorkerSettings::new("w1", 8),
            runs: AtomicU32::new(0),
        }
    }

    pub(crate) fn ports(&self) -> WorkerPorts {
        let queue = self.queue.ports();
        WorkerPorts {
            registries: Arc::<FakeRegistries>::clone(&self.registries),
            queue: Arc::clone(&queue.jobs),
            run_log: Arc::clone(&queue.log),
            leases: Arc::clone(&queue.leases),
            pauses: Arc::clone(&queue.pauses),
            runs: Arc::clone(&queue.runs),
            memo: Arc::<MemoryMemo>::clone(&self.memo),
            known_blobs: Arc::new(BlobIndex::default()),
            single_flight: Arc::new(LocalSingleFlight::default()),
            clock: Arc::<TokioClock>::clone(&self.clock),
            progress: Arc::new(Silent),
            measures: Arc::new(image_sync_shared::ports::telemetry::measures::Unmeasured),
            traces: Arc::new(image_sync_shared::ports::telemetry::trace_context::Untraced),
        }
    }

    pub(crate) fn worker(&self) -> Worker {
        Worker::new(self.ports(), self.settings.clone())
    }

    /// Works jobs as a run of their own, with a worker that remembers nothing, until each has its result.
    pub(crate) async fn work(&self, jobs: impl IntoIterator<Item = Job>) -> TestRun {
        self.work_with(self.worker(), jobs).await.1
    }

    /// The same with a worker that may remember.
    pub(crate) async fn work_with(
        &self,
        worker: Worker,
        jobs: impl IntoIterator<Item = Job>,
    ) -> (Worker, TestRun) {
        let (run, expected) = self.publish(Lane::Bulk, jobs).await;
        let shutdown = Shutdown::default();
        let ran = async {
            let ran = self.results(&run, expected).await;
            shutdown.stop.cancel();
            ran
        };
        let (ended, ran) = tokio::join!(worker.run(&shutdown), ran);
        ended.unwrap();
        (worker, ran)
    }

    /// Begins work in the background.
    pub(crate) fn start(&self) -> RunningWorker {
        self.start_with(self.ports())
    }

    /// The same with a worker that reaches the outside through these.
    pub(crate) fn start_with(&self, ports: WorkerPorts) -> RunningWorker {
        let shutdown = Shutdown::default();
        let worker = Worker::new(ports, self.settings.clone());
        let mut running = RunningWorker {
            shutdown: shutdown.clone(),
            worker: JoinSet::new(),
        };
        running
            .worker
            .spawn(async move { worker.run(&shutdown).await.unwrap() });
        running
    }

    /// Publishes jobs as a run of their own.
    pub(crate) async fn publish(
        &self,
        lane: Lane,
        jobs: impl IntoIterator<Item = Job>,
    ) -> (RunId, usize) {
        let run = RunId::new(format!("r{}", self.runs.fetch_add(1, Ordering::Relaxed)));
        let mut idx = 0;
        for job in jobs {
            let job = Job {
                job_id: JobId::new(&run, idx),
                run_id: run.clone(),
                idx,
                first_enqueued_at: self.clock.now(),
                ..job
            };
            self.queue.ports().jobs.publish(lane, &job).await.unwrap();
            idx += 1;
        }
        (run, idx as usize)
    }

    /// Waits for the results of a run.
    pub(crate) async fn results(&self, run: &RunId, expected: usize) -> TestRun {
        let mut ran = TestRun {
            run: run.clone(),
            results: Vec::new(),
            attempts: Vec::new(),
        };
        let mut log = self.queue.ports().log.read(run).await.unwrap();
        while ran.results.len() < expected {
            let event = log.next(FOREVER).await.unwrap();
            match event.expect("a result never came") {
                RunEvent::Result(result) => ran.results.push(*result),
                RunEvent::Attempt {
                    idx,
                    attempt,
                    error,
                    ..
                } => ran.attempts.push((idx, attempt, error)),
                _ => {}
            }
        }
        ran.results.sort_by_key(|result| result.idx);
        ran
    }

    /// How many events a run's log has.
    pub(crate) async fn events(&self, run: &RunId) -> usize {
        let mut log = self.queue.ports().log.read(run).await.unwrap();
        let mut events = 0;
        while log.next(Duration::ZERO).await.unwrap().is_some() {
            events += 1;
        }
        events
    }

    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        let mut reader = self.queue.ports().letters.read().await.unwrap();
        let mut letters = Vec::new();
        while let Some(letter) = reader.next().await.unwrap() {
            letters.push(letter);
        }
        letters
    }

    /// How many jobs are in the queue, put back ones included.
    pub(crate) async fn jobs_left(&self, run: &RunId) -> u64 {
        self.queue.ports().jobs.purge(run).await.unwrap()
    }
}

impl RunningWorker {
    /// Waits until the worker ended.
    pub(crate) async fn ended(mut self) {
        self.worker.join_next().await.unwrap().unwrap();
    }

    /// Stops the worker and waits until it ended.
    pub(crate) async fn stop(self) {
        self.shutdown.stop.cancel();
        self.ended().await;
    }
}

impl TestRun {
    /// The only result.
    pub(crate) fn only(&self) -> &JobResult {
        assert_eq!(self.results.len(), 1);
        &self.results[0]
    }
}
