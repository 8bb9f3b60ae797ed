//! Carries out what was decided about a job: first everything that others must learn of it, then the delivery is settled.

use std::future::Future;
use std::time::Duration;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::ports::queue::job_queue::Settle;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::{Action, ImageResult, JobResult, WouldCopy};
use image_sync_shared::run::{RunEvent, Trigger};
use image_sync_shared::text::timestamp;
use time::OffsetDateTime;
use tokio::time::sleep;
use tracing::field::{Value, display};
use tracing::{debug, error, info, warn};

use crate::context::WorkerPorts;
use crate::context::retry::retry_queue;
use crate::decide::settlement::{HostPause, Settlement, rfc3339};

/// Carries out `settling`, which may take as long as a queue is away, and sends heartbeats for the delivery meanwhile, or
/// it would be another's before it is settled.
pub(crate) async fn with_heartbeats<T>(
    settle: &dyn Settle,
    every: Duration,
    settling: impl Future<Output = T>,
) -> T {
    let heartbeats = async {
        loop {
            sleep(every).await;
            if let Err(error) = settle.in_progress().await {
                debug!(%error, "could not tell the queue that the job is being settled");
            }
        }
    };
    tokio::select! {
        // What is settled needs no further heartbeat.
        biased;
        settled = settling => settled,
        never = heartbeats => never,
    }
}

/// Carries out `settlement` for `job`. If the queue fails, the delivery stays unsettled and the job comes again: work done
/// twice is harmless, work lost is not.
pub(crate) async fn settle_delivery(
    ports: &WorkerPorts,
    job: &Job,
    settle: &dyn Settle,
    settlement: Settlement,
) {
    let settled = match settlement {
        Settlement::Drop => {
            info!("dropped: the run was cancelled");
            ports
                .progress
                .image_put_back(job, "the run was cancelled", None);
            settle.done().await
        }
        Settlement::Finish {
            result,
            letter,
            pause,
        } => {
            // Told before the job is settled: until then other workers go on asking that host.
            publish_pause(ports, pause).await;
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
            info!(error = why, due = shown(successor.not_before), "put back");
            ports
                .progress
                .image_put_back(job, &why, successor.not_before);
            publish_pause(ports, pause).await;
            defer(ports, settle, &successor, event).await
        }
    };
    if let Err(error) = settled {
        error!(%error, "could not settle the job: it will be delivered again");
    }
}

async fn finish(
    ports: &WorkerPorts,
    job: &Job,
    settle: &dyn Settle,
    result: Box<JobResult>,
    letter: Option<Box<DeadLetter>>,
) -> Result<(), QueueError> {
    log_result(&result.entry);
    // The letter before the result, which may complete the run: what is left of a run that ended is dropped, this job
    // too, and a crash in between would lose the letter. Repeats do no harm, as there is one letter per job, and the
    // first of its results counts.
    if let Some(letter) = letter {
        retry_queue(|| settle.bury(DeadLetter::clone(&letter))).await?;
    }
    let event = RunEvent::Result(result);
    retry_queue(|| ports.run_log.append(&job.run_id, &event)).await?;
    // Not within a retry of ours: the queue asks again itself while its server is away. A job that stays unacknowledged
    // comes again, and its result is a repeat.
    settle.done().await?;
    if let RunEvent::Result(result) = event {
        ports.measures.job_ended(result.entry.kind());
        if job.trigger == Trigger::Webhook {
            let since_due = ports.clock.now() - job.first_enqueued_at;
            let took = Duration::try_from(since_due).unwrap_or_default();
            ports.measures.event_job_ended(took);
        }
        if let Some(artifacts) = result.entry.artifacts {
            ports.measures.artifacts_ended(artifacts);
        }
        ports.progress.image_ended(job, &result.entry);
    }
    Ok(())
}

fn log_result(entry: &ImageResult) {
    let (attempts, duration_ms) = (entry.attempts, entry.duration_ms);
    // Nothing where the image is to have none, and so no field of the line.
    let artifacts = entry.artifacts.map(|counts| {
        let to_copy = entry.would_copy.map_or(0, |would| would.artifacts);
        let told = match to_copy {
            0 => counts.to_string(),
            some => format!("{some} to copy"),
        };
        display(told)
    });
    match entry.action {
        Action::AlreadyCached => info!(artifacts, duration_ms, "in place"),
        Action::Pulled => info!(
            bytes_copied = entry.bytes_copied,
            artifacts, attempts, duration_ms, "copied"
        ),
        Action::Skipped => {
            let WouldCopy { blobs, bytes, .. } = entry.would_copy.unwrap_or_default();
            info!(blobs, bytes, artifacts, duration_ms, "would be copied");
        }
        Action::Kept => {
            let note = entry.note.as_deref().unwrap_or_default();
            warn!(note, artifacts, duration_ms, "left as it is");
        }
        Action::Failed | Action::Other(_) => {
            let error = entry.error.as_deref().unwrap_or_default();
            error!(error, artifacts, attempts, duration_ms, "failed");
        }
    }
}

/// When a job comes again, if not at once.
fn shown(due: Option<OffsetDateTime>) -> Option<impl Value> {
    due.map(|due| display(timestamp::shown(due)))
}

async fn requeue(
    ports: &WorkerPorts,
    job: &Job,
    settle: &dyn Settle,
    successor: &Job,
    event: RunEvent,
) -> Result<(), QueueError> {
    if let RunEvent::Attempt { error, .. } = &event {
        let due = shown(successor.not_before);
        warn!(error, due, "put back after a failed attempt");
        ports
            .progress
            .image_put_back(job, error, successor.not_before);
    }
    let event = event.followed_by(successor);
    // The log before the successor: a crash in between repeats the attempt. The other way round, the log might never
    // know.
    retry_queue(|| ports.run_log.append(&job.run_id, &event)).await?;
    settle.requeue(successor).await
}

async fn defer(
    ports: &WorkerPorts,
    settle: &dyn Settle,
    successor: &Job,
    event: Option<RunEvent>,
) -> Result<(), QueueError> {
    if let Some(event) = event {
        let event = event.followed_by(successor);
        retry_queue(|| ports.run_log.append(&successor.run_id, &event)).await?;
    }
    settle.requeue(successor).await
}

/// Tells all workers of a pause. If that fails it holds here: no reason to keep a job from its settlement.
async fn publish_pause(ports: &WorkerPorts, pause: Option<HostPause>) {
    let Some(HostPause {
        host,
        until,
        reason,
        longest,
    }) = pause
    else {
        return;
    };
    ports.measures.host_paused(&host, until);
    let told = retry_queue(|| ports.pauses.pause(&host, until, &reason, longest)).await;
    match told {
        Ok(true) => {
            let until = rfc3339(until);
            warn!(host, reason, "host paused until {until}");
        }
        Ok(false) => {}
        Err(error) => warn!(%error, host, "could not tell the other workers of a pause"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;

    use super::*;

    /// Counts heartbeats.
    #[derive(Default)]
    struct Delivery(AtomicU32);

    #[async_trait]
    impl Settle for Delivery {
        async fn done(&self) -> Result<(), QueueError> {
            Ok(())
        }

        async fn requeue(&self, _: &Job) -> Result<(), QueueError> {
            Ok(())
        }

        async fn bury(&self, _: DeadLetter) -> Result<(), QueueError> {
            Ok(())
        }

        async fn in_progress(&self) -> Result<(), QueueError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_settlement_that_takes_long_sends_heartbeats_for_its_delivery() {
        let delivery = Delivery::default();
        let every = Duration::from_secs(15);
        let settling = async {
            sleep(Duration::from_secs(50)).await;
            delivery.done().await
        };
        let settled = with_heartbeats(&delivery, every, settling).await;
        assert_eq!(settled, Ok(()));
        assert_eq!(delivery.0.load(Ordering::Relaxed), 3);
    }
}
