//! Carries out what was decided about a job: first everything that others must learn of it, then the delivery is settled.

use std::future::Future;
use std::time::Duration;

use image_sync_shared::job::Job;
use image_sync_shared::outcome::{Action, ImageResult, JobResult, WouldCopy};
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::dead_letters::DeadLetter;
use image_sync_shared::ports::job_queue::Settle;
use image_sync_shared::retry::RetryPolicy;
use image_sync_shared::run::RunEvent;
use tracing::{debug, error, info, warn};

use crate::settle::{Pause, Settlement, in_seconds};
use crate::worker::Ports;

/// The tries of a request to the queue: some ten seconds in all, well inside the visibility time.
const PATIENCE: RetryPolicy = RetryPolicy {
    attempts: 6,
    initial: Duration::from_millis(500),
    max: Duration::from_secs(5),
};

/// Makes a request to the queue, and again for some seconds while it cannot be reached.
pub(crate) async fn patiently<T, F>(mut request: impl FnMut() -> F) -> Result<T, QueueError>
where
    F: Future<Output = Result<T, QueueError>>,
{
    let mut attempt = 1;
    loop {
        match request().await {
            Err(QueueError::Unreachable(error)) if PATIENCE.allows_another(attempt) => {
                debug!(error, "the queue cannot be reached: asking again");
                tokio::time::sleep(PATIENCE.delay(attempt)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Carries out `settlement` for `job`. If the queue fails, the delivery stays unsettled and the job comes again: work done
/// twice is harmless, work lost is not.
pub(crate) async fn publish(
    ports: &Ports,
    job: &Job,
    settle: Box<dyn Settle>,
    settlement: Settlement,
) {
    let published = match settlement {
        Settlement::Drop => {
            info!("dropped: the run was cancelled");
            ports.progress.image_put_back(job, "the run was cancelled");
            settle.done().await
        }
        Settlement::Finish {
            result,
            letter,
            pause,
        } => {
            tell_of_pause(ports, pause).await;
            finish(ports, job, settle, result, letter).await
        }
        Settlement::Requeue { successor, event } => {
            requeue(ports, job, settle, &successor, event).await
        }
        Settlement::Defer {
            successor,
            event,
            pause,
            why,
        } => {
            info!(why, due = ?successor.not_before, "put back");
            ports.progress.image_put_back(job, &why);
            tell_of_pause(ports, pause).await;
            defer(ports, settle, &successor, event).await
        }
    };
    if let Err(error) = published {
        error!(%error, "could not settle the job: it will be delivered again");
    }
}

async fn finish(
    ports: &Ports,
    job: &Job,
    settle: Box<dyn Settle>,
    result: Box<JobResult>,
    letter: Option<Box<DeadLetter>>,
) -> Result<(), QueueError> {
    tell(&result.entry);
    if let Some(letter) = letter {
        patiently(|| settle.bury(DeadLetter::clone(&letter))).await?;
    }
    let event = RunEvent::Result(result);
    patiently(|| ports.run_log.append(&job.run_id, &event)).await?;
    settle.done().await?;
    if let RunEvent::Result(result) = event {
        ports.measures.job_ended(result.entry.action);
        ports.progress.image_ended(job, &result.entry);
    }
    Ok(())
}

fn tell(entry: &ImageResult) {
    let (attempts, ms) = (entry.attempts, entry.duration_ms);
    match entry.action {
        Action::AlreadyCached => info!(ms, "in place"),
        Action::Pulled => info!(bytes = entry.bytes_copied, attempts, ms, "copied"),
        Action::Skipped => {
            let WouldCopy { blobs, bytes } = entry.would_copy.unwrap_or_default();
            info!(blobs, bytes, ms, "would be copied");
        }
        Action::Failed => {
            let error = entry.error.as_deref().unwrap_or_default();
            error!(error, attempts, ms, "failed");
        }
    }
}

async fn requeue(
    ports: &Ports,
    job: &Job,
    settle: Box<dyn Settle>,
    successor: &Job,
    event: RunEvent,
) -> Result<(), QueueError> {
    if let RunEvent::Attempt { error, attempt, .. } = &event {
        warn!(error, attempt, due = ?successor.not_before, "put back after a failed attempt");
        ports.progress.image_put_back(job, error);
    }
    patiently(|| ports.run_log.append(&job.run_id, &event)).await?;
    settle.requeue(successor).await
}

async fn defer(
    ports: &Ports,
    settle: Box<dyn Settle>,
    successor: &Job,
    event: Option<RunEvent>,
) -> Result<(), QueueError> {
    if let Some(event) = event {
        patiently(|| ports.run_log.append(&successor.run_id, &event)).await?;
    }
    settle.requeue(successor).await
}

/// Tells all workers of a pause. If that fails it holds here: no reason to keep a job from its settlement.
async fn tell_of_pause(ports: &Ports, pause: Option<Pause>) {
    let Some(Pause {
        host,
        until,
        reason,
        longest,
    }) = pause
    else {
        return;
    };
    ports.measures.host_paused(&host, until);
    let told = patiently(|| ports.pauses.pause(&host, until, &reason, longest)).await;
    match told {
        Ok(true) => {
            let until = in_seconds(until);
            warn!(host, reason, "host paused until {until}");
        }
        Ok(false) => {}
        Err(error) => warn!(%error, host, "could not tell the other workers of a pause"),
    }
}
