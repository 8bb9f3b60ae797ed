//! Heartbeats for an attempt's delivery and for the lease of its target. It lives inside the attempt and ends with it.

use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::job_queue::Settle;
use image_sync_shared::ports::queue::leases::{Lease, Leases, Renewal};
use image_sync_shared::run::job::Job;
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval_at};
use tracing::{debug, warn};

use crate::context::WorkerContext;
use crate::context::retry::retry_queue;

/// Guards the delivery and the lease of one attempt.
pub(crate) struct LeaseGuard<'a> {
    /// Whose delivery and target it keeps.
    job: &'a Job,
    /// The delivery.
    settle: &'a dyn Settle,
    /// Grants the lease.
    leases: &'a dyn Leases,
    /// Who holds the lease.
    holder: &'a str,
    /// The time between two heartbeats.
    every: Duration,
    /// The lease, once it is taken.
    lease: Mutex<Option<Lease>>,
}

impl<'a> LeaseGuard<'a> {
    /// The guard of an attempt at `job`, whose delivery is `settle`. It holds no lease yet.
    pub(crate) fn new(context: &'a WorkerContext, job: &'a Job, settle: &'a dyn Settle) -> Self {
        Self {
            job,
            settle,
            leases: context.ports.leases.as_ref(),
            holder: &context.settings.name,
            every: context.settings.heartbeat,
            lease: Mutex::new(None),
        }
    }

    /// Sends heartbeats until the attempt must end: returns why.
    pub(crate) async fn watch(&self) -> Failure {
        // The first sign is due after one interval, as delivery and lease are fresh until then. After a standstill one
        // sign is enough: those that were missed are not made up for.
        let mut ticks = interval_at(tokio::time::Instant::now() + self.every, self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A queue that is away for long is told of once.
        let (mut is_silent, mut is_unrenewed) = (false, false);
        loop {
            ticks.tick().await;
            // Without this sign another worker gets the job while this one still works it. The lease keeps that worker
            // from the target, so the attempt goes on: only a lost lease ends it.
            match self.settle.in_progress().await {
                Ok(()) => is_silent = false,
                Err(error) if std::mem::replace(&mut is_silent, true) => {
                    debug!(%error, "still no sign of life");
                }
                Err(error) => {
                    warn!(%error, "could not tell the queue that the job is being worked");
                }
            }
            match self.renew().await {
                Ok(true) => is_unrenewed = false,
                Ok(false) => return self.lost(),
                // The lease may outlast the trouble. Whether it did is asked before the tag is written.
                Err(error) if std::mem::replace(&mut is_unrenewed, true) => {
                    debug!(%error, "still not renewed");
                }
                Err(error) => warn!(%error, "could not renew the lease of the target"),
            }
        }
    }

    /// Takes the lease of the target, unless it is held already.
    pub(crate) async fn acquire(&self) -> Result<(), Failure> {
        let key = self.job.target.image.to_string();
        let mut lease = self.lease.lock().await;
        if lease.is_some() {
            return Ok(());
        }
        match retry_queue(|| self.leases.acquire(&key, self.holder)).await {
            Ok(Some(taken)) => {
                *lease = Some(taken);
                Ok(())
            }
            Ok(None) => Err(self.failure(
                FailureClass::LeaseLost,
                "another worker is writing this target",
            )),
            // Who cannot ask does not have the lease: the job is put back as if another worker had it.
            Err(error) => Err(self.failure(FailureClass::LeaseLost, &error.to_string())),
        }
    }

    /// Makes sure that the lease is still held, for a full term from now on: a heartbeat that failed, or a process that was halted,
    /// may have let it run out unnoticed.
    pub(crate) async fn confirm(&self) -> Result<(), Failure> {
        match retry_queue(|| self.renew()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.lost()),
            Err(error) => Err(self.failure(FailureClass::LeaseLost, &error.to_string())),
        }
    }

    /// Gives the lease back, if it was taken.
    pub(crate) async fn release(&self) {
        let Some(lease) = self.lease.lock().await.take() else {
            return;
        };
        // The heartbeat may have been dropped in the middle of a renewal that was carried out all the same. Then this
        // revision is not the last one, nothing is released, and the lease ends with its term.
        if let Err(error) = self.leases.release(lease).await {
            debug!(%error, "could not release the lease of the target: it will end by itself");
        }
    }

    /// Whether the lease, if there is one, is still held.
    async fn renew(&self) -> Result<bool, QueueError> {
        // Locked over the request: of two renewals from the same revision one succeeds, and the other would read its
        // own lease as lost.
        let mut lease = self.lease.lock().await;
        let Some(held) = lease.as_ref() else {
            return Ok(true);
        };
        match self.leases.renew(held).await? {
            Renewal::Held(renewed) => {
                *lease = Some(renewed);
                Ok(true)
            }
            Renewal::Lost => Ok(false),
        }
    }

    fn lost(&self) -> Failure {
        self.failure(
            FailureClass::LeaseLost,
            "the lease ran out, or another worker took the target over",
        )
    }

    fn failure(&self, class: FailureClass, answer: &str) -> Failure {
        Failure::new(
            Side::Target,
            Step::Lease,
            &self.job.target.image,
            class,
            answer,
        )
    }
}
