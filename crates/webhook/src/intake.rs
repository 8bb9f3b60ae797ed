//! From images that events are about to jobs that are stored.
//!
//! Whoever brings an event waits until its jobs are stored. Those that come while others are being stored make one batch, and
//! a batch is one run: reports stay small, and a storm does not make a run of each event. What could not be stored is kept
//! and tried again, as not every sender sends an event again that was refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::config::ImageSpec;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::run::RunId;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::coalesce::{Check, Windows};

/// The wait before a batch is tried again that could not be stored.
const AGAIN: Duration = Duration::from_secs(1);
/// How long who brings an event waits for its jobs: senders give up after some seconds, GitHub after ten.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// An image that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concerning {
    /// The image and its target.
    pub image: ImageSpec,
    /// The digest that its source's tag is about to have, where the event says so. Without one, what it tells of may be seen a
    /// moment later, so that there is a second check in any case.
    pub digest: Option<Digest>,
}

/// A check that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueCheck {
    /// The image and its target.
    pub image: ImageSpec,
    /// The digest that is waited for, if it is to be made at once.
    pub awaited: Option<Digest>,
    /// Not before this time; none for at once.
    pub not_before: Option<OffsetDateTime>,
}

/// Where checks become jobs.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Stores a job for each of `checks`, as one run, and returns only then.
    async fn store(&self, checks: &[DueCheck]) -> Result<RunId, QueueError>;
}

/// What became of the images of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// For each there is a job that is stored, and was not begun before.
    Stored {
        /// The runs of these jobs, those of events before included.
        runs: Vec<RunId>,
        /// How many of the jobs are this event's own.
        jobs: usize,
    },
    /// Not yet, for this reason. It is tried again, whether the event is sent again or not.
    NotStored(String),
    /// It cannot be taken: events of too many targets came at the same time.
    TooMany,
}

/// How often storing a batch was tried, and what came of it: nothing yet, its run, or why it failed the last time.
type Ended = Option<Result<RunId, String>>;

struct Batch {
    number: u64,
    checks: Vec<DueCheck>,
    /// By target, the last of its checks: one that is not stored yet comes after whatever happened by now.
    of_targets: HashMap<String, usize>,
    ended: watch::Sender<Ended>,
}

impl Batch {
    fn new(number: u64) -> Self {
        Self {
            number,
            checks: Vec::new(),
            of_targets: HashMap::new(),
            ended: watch::Sender::new(None),
        }
    }
}

struct State {
    windows: Windows<String>,
    /// Takes what comes.
    open: Batch,
    /// The one that is being stored. All before it are stored.
    in_flight: Option<(u64, watch::Receiver<Ended>)>,
}

/// Takes images, and has their jobs stored.
pub struct Intake {
    state: Mutex<State>,
    came: Notify,
    clock: Arc<dyn Clock>,
}

impl Intake {
    /// Nothing yet. Windows go by `clock`, which has to be that of the queue.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            state: Mutex::new(State {
                windows: Windows::default(),
                open: Batch::new(0),
                in_flight: None,
            }),
            came: Notify::new(),
            clock,
        }
    }

    /// Takes the images of an event, and returns once there are jobs for all of them, when storing them failed, or when that
    /// takes longer than [`PATIENCE`].
    pub async fn take(&self, images: Vec<Concerning>) -> Taken {
        let Some((jobs, waits_for)) = self.admit(images) else {
            return Taken::TooMany;
        };
        self.came.notify_one();
        let all = async {
            let mut runs = Vec::new();
            for mut batch in waits_for {
                let ended = batch.wait_for(Option::is_some).await;
                let ended = ended.ok().and_then(|ended| ended.clone());
                runs.push(ended.unwrap_or_else(|| Err("the program ends".to_owned()))?);
            }
            Ok(runs)
        };
        match timeout(PATIENCE, all).await {
            Ok(Ok(runs)) => Taken::Stored { runs, jobs },
            Ok(Err(why)) => Taken::NotStored(why),
            Err(_elapsed) => Taken::NotStored("the queue does not answer".to_owned()),
        }
    }

    /// How many jobs are new, and the batches that are not stored yet and have some of the event's. None where there is no room.
    fn admit(&self, images: Vec<Concerning>) -> Option<(usize, Vec<watch::Receiver<Ended>>)> {
        let mut state = lock(&self.state);
        let State {
            windows,
            open,
            in_flight,
        } = &mut *state;
        let now = self.clock.now();
        let (mut waits_for_open, mut waits_for_other) = (false, false);
        let before = open.checks.len();
        for Concerning { image, digest } in images {
            let target = image.target_name();
            if let Some(index) = open.of_targets.get(&target) {
                let check = &mut open.checks[*index];
                if check.not_before.is_none() {
                    check.awaited = digest;
                }
                waits_for_open = true;
                continue;
            }
            // What is told of without a digest is looked at twice.
            let looks = if digest.is_some() { 1 } else { 2 };
            for _ in 0..looks {
                let not_before = match windows.event(&target, now, open.number) {
                    Check::Now => None,
                    Check::At(due) => Some(due),
                    Check::Covered(batch) => {
                        waits_for_other |= in_flight.as_ref().is_some_and(|(of, _)| *of == batch);
                        break;
                    }
                    Check::TooMany => return None,
                };
                let index = open.checks.len();
                open.of_targets.insert(target.clone(), index);
                open.checks.push(DueCheck {
                    image: image.clone(),
                    awaited: digest.clone().filter(|_| not_before.is_none()),
                    not_before,
                });
                waits_for_open = true;
                if not_before.is_some() {
                    break;
                }
            }
        }
        let of_open = waits_for_open.then(|| open.ended.subscribe());
        let other = in_flight.as_ref().filter(|_| waits_for_other);
        let waits_for = of_open
            .into_iter()
            .chain(other.map(|(_, ended)| ended.clone()));
        Some((open.checks.len() - before, waits_for.collect()))
    }

    /// Has batches stored one after the other, until `stop` is cancelled. What was taken by then is tried once more.
    pub async fn run(&self, jobs: &dyn Jobs, stop: &CancellationToken) {
        loop {
            // Before the look, so that what comes in between is heard of.
            let came = self.came.notified();
            if let Some(batch) = self.next_batch() {
                self.store(batch, jobs, stop).await;
            } else if stop.run_until_cancelled(came).await.is_none() {
                return;
            }
        }
    }

    fn next_batch(&self) -> Option<Batch> {
        let mut state = lock(&self.state);
        if state.open.checks.is_empty() {
            state.in_flight = None;
            return None;
        }
        let next = Batch::new(state.open.number + 1);
        let batch = std::mem::replace(&mut state.open, next);
        state.in_flight = Some((batch.number, batch.ended.subscribe()));
        Some(batch)
    }

    /// Tries until it is stored: others wait behind it, and would fare no better.
    async fn store(&self, batch: Batch, jobs: &dyn Jobs, stop: &CancellationToken) {
        let checks = batch.checks;
        let mut is_away = false;
        loop {
            let error = match jobs.store(&checks).await {
                Ok(run) => {
                    tracing::info!(run_id = %run, jobs = checks.len(), "events led to a run");
                    batch.ended.send_replace(Some(Ok(run)));
                    return;
                }
                Err(error) => error,
            };
            // A queue that is away for long is told of once.
            if std::mem::replace(&mut is_away, true) {
                tracing::debug!(%error, "still not stored");
            } else {
                tracing::warn!(%error, jobs = checks.len(), "events are not stored: trying again");
            }
            batch.ended.send_replace(Some(Err(error.to_string())));
            if stop.run_until_cancelled(sleep(AGAIN)).await.is_none() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
