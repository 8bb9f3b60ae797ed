//! Slots: jobs worked at the same time. As many jobs are pulled as there are free slots, so that none waits here that another
//! worker could take.

use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::job_queue::{Delivery, Lane};
use image_sync_shared::retry::RetryPolicy;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::context::WorkerContext;
use crate::run_loop::delivery;
use crate::run_loop::shutdown::Shutdown;

/// The waits while the queue cannot be reached.
const OUTAGE: RetryPolicy = RetryPolicy {
    attempts: u32::MAX,
    initial: Duration::from_secs(1),
    max: Duration::from_secs(15),
};

/// Which lanes a set of slots serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServedLanes {
    /// All.
    All,
    /// Lane now alone.
    Now,
}

/// A set of slots.
pub(crate) struct Slots {
    context: Arc<WorkerContext>,
    serves: ServedLanes,
    count: usize,
    jobs: JoinSet<()>,
    pulls: u64,
    /// Failed pulls since the last one that worked.
    outage: u32,
}

impl Slots {
    /// `count` slots.
    pub(crate) fn new(context: Arc<WorkerContext>, serves: ServedLanes, count: usize) -> Self {
        Self {
            context,
            serves,
            count,
            jobs: JoinSet::new(),
            pulls: 0,
            outage: 0,
        }
    }

    /// Works jobs until it is told to stop or the queue is closed, then ends what is in flight.
    pub(crate) async fn serve(mut self, shutdown: &Shutdown) -> Result<(), QueueError> {
        if self.count == 0 {
            return Ok(());
        }
        // A pull that is dropped with jobs in it loses none: they come again, as after a crash.
        let ended = tokio::select! {
            // A slot that becomes free in the moment of a stop takes nothing new.
            biased;
            () = shutdown.stop.cancelled() => Ok(()),
            () = shutdown.abort.cancelled() => Ok(()),
            ended = self.pull_jobs(&shutdown.abort) => ended,
        };
        if ended.is_err() {
            shutdown.stop.cancel();
        }
        self.finish(shutdown).await;
        ended
    }

    async fn pull_jobs(&mut self, abort: &CancellationToken) -> Result<(), QueueError> {
        loop {
            while let Some(ended) = self.jobs.try_join_next() {
                log_panic(ended);
            }
            let free = self.count.saturating_sub(self.jobs.len());
            if free == 0 {
                if let Some(ended) = self.jobs.join_next().await {
                    log_panic(ended);
                }
                continue;
            }
            // While this waits for a first job, up to `pull_wait`, slots that become free are not asked for: the next
            // pull does that.
            match self.pull(free).await {
                Ok(deliveries) => {
                    self.outage = 0;
                    for delivery in deliveries {
                        self.spawn(delivery, abort.clone());
                    }
                }
                Err(QueueError::Closed) => return Ok(()),
                Err(refused @ QueueError::Refused(_)) => return Err(refused),
                Err(error) => self.wait_for_queue(&error).await,
            }
        }
    }

    async fn pull(&mut self, free: usize) -> Result<Vec<Delivery>, QueueError> {
        let order = lane_order(self.pulls);
        self.pulls += 1;
        let lanes: &[Lane] = match self.serves {
            ServedLanes::All => &order,
            ServedLanes::Now => &[Lane::Now],
        };
        let wait = self.context.settings.pull_wait;
        self.context.ports.queue.pull(lanes, free, wait).await
    }

    fn spawn(&mut self, delivery: Delivery, abort: CancellationToken) {
        let context = Arc::clone(&self.context);
        self.jobs
            .spawn(async move { delivery::process(&context, delivery, &abort).await });
    }

    async fn wait_for_queue(&mut self, error: &QueueError) {
        if self.outage == 0 {
            warn!(%error, "jobs cannot be taken: trying until they can");
        }
        self.outage = self.outage.saturating_add(1);
        tokio::time::sleep(OUTAGE.delay(self.outage)).await;
    }

    /// Lets the jobs in flight end: without limit as long as nobody asks to stop, then for the grace time, then they are put
    /// back.
    async fn finish(&mut self, shutdown: &Shutdown) {
        let grace = self.context.settings.grace;
        let limit = async {
            shutdown.stop.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            () = wait_for_all(&mut self.jobs) => return,
            () = limit => {}
            () = shutdown.abort.cancelled() => {}
        }
        shutdown.abort.cancel();
        wait_for_all(&mut self.jobs).await;
    }
}

async fn wait_for_all(jobs: &mut JoinSet<()>) {
    while let Some(ended) = jobs.join_next().await {
        log_panic(ended);
    }
}

/// A job that panicked takes nothing else with it: its delivery was dropped, and comes again.
fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a job died of a defect in this program: it will be delivered again");
    }
}

/// The lanes for pull number `pull`: most urgent first, but every eighth pull begins with lane retry and another eighth with
/// lane bulk, so that a lane that never runs dry starves none.
pub(crate) fn lane_order(pull: u64) -> [Lane; 3] {
    match pull % 8 {
        3 => [Lane::Retry, Lane::Now, Lane::Bulk],
        7 => [Lane::Bulk, Lane::Now, Lane::Retry],
        _ => Lane::ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_comes_first_in_every_eight_pulls() {
        let firsts: Vec<Lane> = (0..8).map(|pull| lane_order(pull)[0]).collect();
        assert_eq!(firsts.iter().filter(|lane| **lane == Lane::Now).count(), 6);
        assert!(firsts.contains(&Lane::Retry) && firsts.contains(&Lane::Bulk));
        for pull in 0..8 {
            let mut lanes = lane_order(pull);
            lanes.sort();
            assert_eq!(lanes, Lane::ALL, "every pull asks all lanes");
        }
    }
}
