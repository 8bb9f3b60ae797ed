//! Keeping the jobs that are not due yet, and putting each into its lane when it is.
//!
//! They stand apart from the lanes: a job that waits there would be counted as delivered each time that somebody sees that
//! it is not due, until it is taken for poison, and many of them would fill up what a consumer may have delivered without
//! an acknowledgement, so that due jobs wait behind them. Here both are of no harm: this consumer delivers without a limit,
//! and nothing but jobs that wait stands behind a job that waits.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use image_sync_shared::panics::caught;
use image_sync_shared::ports::QueueError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::job_headers::{earlier_deliveries, held_until};
use super::job_store::{JobStore, no_subject, panicked_in};
use super::poll_backoff::PollBackoff;
use crate::jetstream::client::Retries;
use crate::jetstream::names::{Area, Consumer};
use crate::jetstream::streams::{AckKind, DeliveredMessage};

/// How many messages are looked at together.
const BATCH: usize = 100;
/// The longest time a server is asked to hold a message; then it is looked at again.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a message is left alone that could not be moved, and that no other must wait for.
const AFTER_REFUSAL: Duration = Duration::from_secs(60);
/// The wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Does so until it is told to stop, and then ends what is in hand. Any number of clients may do so at once.
pub(crate) async fn run(jobs: Arc<JobStore>, stop: CancellationToken) {
    let (mut pace, mut is_failing) = (PollBackoff::new(), false);
    while !stop.is_cancelled() {
        let looked = caught(Box::pin(look(&jobs))).await;
        let wait = match looked.unwrap_or_else(|panicked| Err(panicked_in(&panicked))) {
            Ok(0) => pace.step(),
            Ok(_) => {
                (pace, is_failing) = (PollBackoff::new(), false);
                continue;
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "jobs that wait cannot be looked at: trying until they can");
                }
                AFTER_FAILURE
            }
        };
        stop.run_until_cancelled(sleep(wait)).await;
    }
}

/// Looks at messages that were not looked at yet, or whose time has come, and says how many there were.
async fn look(jobs: &JobStore) -> Result<usize, QueueError> {
    let fetched = jobs.fetch(Consumer::Delayed, BATCH).await?;
    // All of them, before the first error is told: none waits for its visibility time because of another.
    let decided = join_all(fetched.iter().map(|received| decide(jobs, received))).await;
    decided.into_iter().collect::<Result<(), QueueError>>()?;
    Ok(fetched.len())
}

async fn decide(jobs: &JobStore, received: &DeliveredMessage) -> Result<(), QueueError> {
    if let Some(left) = left(jobs, received) {
        return look_again(jobs, received, left).await;
    }
    let Some(subject) = jobs.connection.names().parse_job(&received.subject) else {
        return jobs.bury(received, no_subject(received)).await;
    };
    let (lane, before) = (subject.on(Area::Lane), earlier_deliveries(received));
    let moved = jobs.republish(received, &lane, None, before).await;
    match moved {
        Err(full @ QueueError::Full(_)) => {
            // Those that are being moved at the same time take room twice, but not for long.
            look_again(jobs, received, AFTER_FAILURE).await?;
            Err(full)
        }
        Err(QueueError::Refused(error)) => {
            let sequence = received.sequence;
            tracing::warn!(
                error,
                sequence,
                "a job that is due cannot be put into its lane: it is looked at again"
            );
            look_again(jobs, received, AFTER_REFUSAL).await
        }
        moved => moved,
    }
}

async fn look_again(
    jobs: &JobStore,
    received: &DeliveredMessage,
    wait: Duration,
) -> Result<(), QueueError> {
    let nanoseconds = u64::try_from(wait.min(LONGEST).as_nanos()).unwrap_or(u64::MAX);
    let kind = AckKind::Nak(nanoseconds);
    // Asked once: where it is lost, the message comes again after its visibility time, and is looked at then.
    received
        .acker()
        .ack(&jobs.connection, kind, Retries::None)
        .await
}

/// How long a message is still to be held.
fn left(jobs: &JobStore, received: &DeliveredMessage) -> Option<Duration> {
    let left = held_until(received)? - jobs.clock.now();
    Duration::try_from(left).ok().filter(|left| !left.is_zero())
}
