//! Ports over plain memory.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::job_queue::{Delivery, JobQueue, Lane, Stored};
use image_sync_shared::ports::runs::run_control::{Opening, RunControl};
use image_sync_shared::ports::runs::run_log::{LogPlace, RunLog, RunLogReader};
use image_sync_shared::run::job::Job;
use image_sync_shared::run::{RunEvent, RunId};
use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore, TryAcquireError};

use crate::sync::lock::locked;

/// The log of one run.
#[derive(Default)]
pub struct FakeLog {
    events: Arc<Mutex<Vec<RunEvent>>>,
    grown: Arc<Notify>,
    reads: Mutex<u32>,
}

impl FakeLog {
    /// A log with these events.
    pub fn of(events: impl IntoIterator<Item = RunEvent>) -> Self {
        let log = Self::default();
        locked(&log.events).extend(events);
        log
    }

    /// One more event, which wakes who reads.
    pub fn add(&self, event: RunEvent) {
        locked(&self.events).push(event);
        self.grown.notify_waiters();
    }

    /// All of them.
    #[must_use]
    pub fn events(&self) -> Vec<RunEvent> {
        locked(&self.events).clone()
    }

    /// The same, but that openings are without the key that each run has of its own.
    #[must_use]
    pub fn events_without_keys(&self) -> Vec<RunEvent> {
        let mut events = self.events();
        for event in &mut events {
            if let RunEvent::Open(opened) = event {
                opened.key = None;
            }
        }
        events
    }

    /// How often a reading was begun.
    #[must_use]
    pub fn reads(&self) -> u32 {
        *locked(&self.reads)
    }
}

#[async_trait]
impl RunLog for FakeLog {
    async fn append(&self, _: &RunId, event: &RunEvent) -> Result<(), QueueError> {
        self.add(event.clone());
        Ok(())
    }

    async fn read(&self, _: &RunId) -> Result<Box<dyn RunLogReader>, QueueError> {
        *locked(&self.reads) += 1;
        Ok(Box::new(FakeReader {
            events: self.events.clone(),
            grown: self.grown.clone(),
            next: 0,
        }))
    }
}

struct FakeReader {
    events: Arc<Mutex<Vec<RunEvent>>>,
    grown: Arc<Notify>,
    next: usize,
}

impl FakeReader {
    fn take(&mut self) -> Option<RunEvent> {
        let event = locked(&self.events).get(self.next).cloned();
        self.next += usize::from(event.is_some());
        event
    }
}

#[async_trait]
impl RunLogReader for FakeReader {
    async fn next(&mut self, wait: Duration) -> Result<Option<RunEvent>, QueueError> {
        let grown = self.grown.clone();
        let grown = grown.notified();
        if let Some(event) = self.take() {
            return Ok(Some(event));
        }
        match tokio::time::timeout(wait, grown).await {
            Ok(()) => Ok(self.take()),
            Err(_elapsed) => Ok(None),
        }
    }

    fn place(&self) -> LogPlace {
        place(self.next)
    }

    async fn end(&mut self) -> Result<LogPlace, QueueError> {
        Ok(place(locked(&self.events).len()))
    }
}

fn place(events: usize) -> LogPlace {
    let events = events as u64;
    LogPlace {
        last: events,
        events,
    }
}

/// Takes jobs while there is room, and fails where it is told to.
pub struct FakeQueue {
    /// The jobs that it took.
    pub jobs: Mutex<Vec<(Lane, Job)>>,
    /// For how many there is room; closed, it is a queue that is away.
    pub room: Semaphore,
    /// The most publishes that were under way at once, and those that are.
    pub in_flight: Mutex<(usize, usize)>,
    /// Runs whose jobs were dropped.
    pub purged: Mutex<Vec<RunId>>,
}

impl FakeQueue {
    /// A queue that takes so many.
    #[must_use]
    pub fn with_room(jobs: usize) -> Self {
        Self {
            jobs: Mutex::default(),
            room: Semaphore::new(jobs),
            in_flight: Mutex::default(),
            purged: Mutex::default(),
        }
    }
}

#[async_trait]
impl JobQueue for FakeQueue {
    async fn publish(&self, lane: Lane, job: &Job) -> Result<Stored, QueueError> {
        {
            let mut in_flight = locked(&self.in_flight);
            in_flight.1 += 1;
            in_flight.0 = in_flight.0.max(in_flight.1);
        }
        // Tokio makes even a semaphore with room wait now and then; a queue need not.
        let room = match self.room.try_acquire() {
            Err(TryAcquireError::NoPermits) => self.room.acquire().await,
            room => Ok(room.map_err(|_closed| QueueError::Closed)?),
        };
        locked(&self.in_flight).1 -= 1;
        match room {
            Err(_closed) => Err(QueueError::Closed),
            Ok(permit) => {
                permit.forget();
                locked(&self.jobs).push((lane, job.clone()));
                Ok(Stored::New)
            }
        }
    }

    async fn pull(&self, _: &[Lane], _: usize, _: Duration) -> Result<Vec<Delivery>, QueueError> {
        Ok(Vec::new())
    }

    async fn poisoned(&self, _: Duration) -> Result<Vec<Delivery>, QueueError> {
        Ok(Vec::new())
    }

    async fn purge(&self, run: &RunId) -> Result<u64, QueueError> {
        locked(&self.purged).push(run.clone());
        let mut jobs = locked(&self.jobs);
        let before = jobs.len();
        jobs.retain(|(_, job)| job.run_id != *run);
        Ok((before - jobs.len()) as u64)
    }

    async fn visibility(&self) -> Result<Duration, QueueError> {
        Ok(Duration::from_secs(60))
    }
}

/// Lets one run of each catalog be open.
#[derive(Default)]
pub struct FakeControl {
    /// The runs that are open: of which catalog, and until when.
    pub open: Mutex<Vec<(String, RunId, OffsetDateTime)>>,
    /// The runs that were cancelled.
    pub cancelled: Mutex<Vec<RunId>>,
}

#[async_trait]
impl RunControl for FakeControl {
    async fn open(
        &self,
        catalog: &str,
        run: &RunId,
        until: OffsetDateTime,
    ) -> Result<Opening, QueueError> {
        let mut open = locked(&self.open);
        if let Some((_, busy, _)) = open.iter().find(|(open, ..)| open == catalog) {
            return Ok(Opening::Busy(busy.clone()));
        }
        open.push((catalog.to_owned(), run.clone(), until));
        Ok(Opening::Opened)
    }

    async fn close(&self, _: &str, run: &RunId) -> Result<(), QueueError> {
        locked(&self.open).retain(|(_, open, _)| open != run);
        Ok(())
    }

    async fn cancel(&self, run: &RunId) -> Result<(), QueueError> {
        locked(&self.cancelled).push(run.clone());
        Ok(())
    }

    fn is_cancelled(&self, run: &RunId) -> bool {
        locked(&self.cancelled).contains(run)
    }

    async fn was_cancelled(&self, run: &RunId) -> Result<bool, QueueError> {
        Ok(self.is_cancelled(run))
    }
}
