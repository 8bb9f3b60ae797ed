//! The jobs, as the queue and its deliveries share them: the store behind a lock, and who waits for it.

pub(super) mod backlog;
pub(super) mod job_queue;
mod schedule;
mod settle;

use std::iter;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::backlog::LaneLength;
use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::ports::queue::job_queue::{Lane, Stored};
use image_sync_shared::run::RunId;
use image_sync_shared::run::job::Job;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::InProcessSettings;
use super::dead_letters::InProcessDeadLetters;
use super::recent_ids::RecentIds;
use super::waiting::notified_or_at;
use crate::messages::{self, MAX_RAW, Message};
use schedule::{JobMessage, Schedule, Selection, Taken};

struct JobsState {
    schedule: Schedule,
    recent: RecentIds,
}

/// A job that was taken.
pub(super) struct TakenJob {
    pub(super) number: u64,
    pub(super) job: Job,
    pub(super) lane: Lane,
    pub(super) deliveries: u64,
}

/// The jobs of a single process.
pub(super) struct Jobs {
    bulk_capacity: usize,
    visibility: Duration,
    clock: Arc<dyn Clock>,
    letters: Arc<InProcessDeadLetters>,
    state: Mutex<JobsState>,
    /// A job may be visible earlier than those who wait believe.
    arrived: Notify,
    /// Lane bulk became shorter.
    freed: Notify,
}

impl Jobs {
    pub(super) fn new(
        settings: &InProcessSettings,
        clock: Arc<dyn Clock>,
        letters: Arc<InProcessDeadLetters>,
    ) -> Self {
        Self {
            bulk_capacity: settings.bulk_capacity.max(1),
            visibility: settings.visibility,
            clock,
            letters,
            state: Mutex::new(JobsState {
                schedule: Schedule::new(settings.visibility, settings.max_deliver),
                recent: RecentIds::new(settings.dedupe_window, settings.dedupe_capacity),
            }),
            arrived: Notify::new(),
            freed: Notify::new(),
        }
    }

    /// How long a job may be out unsettled.
    pub(super) fn visibility(&self) -> Duration {
        self.visibility
    }

    /// What stands where now.
    pub(super) fn length(&self) -> Vec<LaneLength> {
        lock(&self.state).schedule.length(Instant::now())
    }

    /// How many deliveries there were.
    pub(super) fn taken(&self) -> u64 {
        lock(&self.state).schedule.taken()
    }

    /// Whether jobs wait, and none is in anybody's hand.
    pub(super) fn stand_still(&self) -> bool {
        lock(&self.state).schedule.stands_still(Instant::now())
    }

    pub(super) fn store_raw(&self, lane: Lane, run: &RunId, message: &[u8]) {
        let parcel = JobMessage {
            body: message.into(),
            ..JobMessage::default()
        };
        let mut state = lock(&self.state);
        state
            .schedule
            .insert(lane, run.clone(), parcel.into(), Instant::now());
        drop(state);
        self.arrived.notify_waiters();
    }

    /// Stores a successor, however full the lanes are: a worker must always be able to give a job back.
    pub(super) fn store_successor(&self, job: &Job) -> Result<Stored, QueueError> {
        let parcel = parcel(job)?;
        Ok(self.store(&mut lock(&self.state), Lane::Retry, job, &parcel))
    }

    pub(super) fn prolong(&self, number: u64) {
        lock(&self.state).schedule.prolong(number, Instant::now());
    }

    pub(super) fn remove(&self, number: u64) {
        let shorter = lock(&self.state).schedule.remove(number);
        if shorter == Some(Lane::Bulk) {
            self.freed.notify_waiters();
        }
    }

    pub(super) fn bury(&self, letter: DeadLetter) {
        self.letters.keep(letter);
    }

    pub(super) async fn publish(&self, lane: Lane, job: &Job) -> Result<Stored, QueueError> {
        let parcel = parcel(job)?;
        loop {
            // Made before the look: `notify_waiters` wakes those who wait by then, and a place that becomes free in
            // between would be missed.
            let freed = self.freed.notified();
            if let Some(stored) = self.try_publish(lane, job, &parcel) {
                return Ok(stored);
            }
            freed.await;
        }
    }

    pub(super) fn purge(&self, run: &RunId) -> u64 {
        let dropped = lock(&self.state).schedule.purge(run, Instant::now());
        // Some may have been of lane bulk.
        self.freed.notify_waiters();
        dropped
    }

    /// Stores a job, or nothing if it has to wait for a place in lane bulk.
    fn try_publish(&self, lane: Lane, job: &Job, parcel: &Arc<JobMessage>) -> Option<Stored> {
        let mut state = lock(&self.state);
        let is_full = lane == Lane::Bulk && state.schedule.held(Lane::Bulk) >= self.bulk_capacity;
        // A repeat takes no place, and need not wait for one.
        if is_full && !state.recent.contains(&job.message_id(), Instant::now()) {
            return None;
        }
        Some(self.store(&mut state, lane, job, parcel))
    }

    fn store(
        &self,
        state: &mut JobsState,
        lane: Lane,
        job: &Job,
        parcel: &Arc<JobMessage>,
    ) -> Stored {
        let (id, now) = (job.message_id(), Instant::now());
        if state.recent.contains(&id, now) {
            return Stored::Duplicate;
        }
        // With the job, under one lock: of two repeats at the same time one is stored.
        state.recent.insert(&id, now);
        let visible_at = self.instant_of(job.not_before);
        state
            .schedule
            .insert(lane, job.run_id.clone(), Arc::clone(parcel), visible_at);
        self.arrived.notify_waiters();
        Stored::New
    }

    /// The instant of a time of day. The clock is read first, so that no job is early.
    fn instant_of(&self, time: Option<OffsetDateTime>) -> Instant {
        let wait = time.map_or(time::Duration::ZERO, |time| time - self.clock.now());
        Instant::now() + Duration::try_from(wait).unwrap_or(Duration::ZERO)
    }

    /// Waits for the first job, and takes up to `max`. What is taken is returned without waiting again, so a call that is
    /// dropped took nothing.
    pub(super) async fn take(&self, selection: Selection<'_>, max: usize) -> Vec<TakenJob> {
        loop {
            // Before the look, as in `publish`.
            let arrived = self.arrived.notified();
            let (taken, next_visible) = self.try_take(selection, max);
            if taken.is_empty() {
                notified_or_at(arrived, next_visible).await;
                continue;
            }
            let opened: Vec<TakenJob> = taken.iter().filter_map(|taken| self.open(taken)).collect();
            if !opened.is_empty() {
                return opened;
            }
        }
    }

    fn try_take(&self, selection: Selection<'_>, max: usize) -> (Vec<Taken>, Option<Instant>) {
        let mut state = lock(&self.state);
        let now = Instant::now();
        let taken: Vec<Taken> = iter::from_fn(|| state.schedule.take(selection, now))
            .take(max)
            .collect();
        // Such a job stands among the poison from now on: who waits for that has to learn when it is due there.
        if taken
            .iter()
            .any(|taken| state.schedule.is_last_chance(taken))
        {
            self.arrived.notify_waiters();
        }
        (taken, state.schedule.next_visible(selection))
    }

    /// A message as a job, if it is one that this program knows.
    fn open(&self, taken: &Taken) -> Option<TakenJob> {
        match messages::decode_job(&taken.parcel.body) {
            Message::Job(job) => Some(TakenJob {
                number: taken.number,
                job: Job {
                    trace: taken.parcel.trace.clone(),
                    ..*job
                },
                lane: taken.lane,
                deliveries: taken.deliveries,
            }),
            Message::Unknown(unknown) => {
                tracing::warn!(%unknown, lane = taken.lane.name(), "put back a job for a worker that knows it");
                lock(&self.state)
                    .schedule
                    .put_back(taken.number, Instant::now());
                None
            }
            Message::Undecodable(reason) => {
                tracing::warn!(
                    reason,
                    lane = taken.lane.name(),
                    "made a dead letter of a message that is no job"
                );
                let body = &taken.parcel.body;
                let shown = &body[..body.len().min(MAX_RAW)];
                self.bury(DeadLetter {
                    id: format!("undecodable-{}", taken.number),
                    died_at: self.clock.now(),
                    reason,
                    job: None,
                    raw: Some(String::from_utf8_lossy(shown).into_owned()),
                });
                self.remove(taken.number);
                None
            }
        }
    }
}

fn parcel(job: &Job) -> Result<Arc<JobMessage>, QueueError> {
    let body = messages::encode_job(job, usize::MAX)?;
    let trace = job.trace.clone();
    Ok(Arc::new(JobMessage { body, trace }))
}
