//! Jobs that were delivered too often.
//!
//! It is a client that finds this out, as it is about to deliver one once more, and puts it on its own area. The server
//! could do so too, but its word comes once and only where somebody asks for a job at that moment, and where the word is
//! lost the job is.

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::job_queue::Lane;

use super::job_headers::{earlier_deliveries, traced};
use super::job_store::{JobStore, TakenJob, no_subject, opened_or_logged};
use crate::jetstream::names::Consumer;
use crate::jetstream::streams::DeliveredMessage;
use crate::messages::{self, Message};

/// How many are handed over at once.
const BATCH: usize = 100;

/// The jobs on the area that nobody else is looking at. If there are none, one may still be in its lane.
pub(crate) async fn look(jobs: &JobStore) -> Result<Vec<TakenJob>, QueueError> {
    let fetched = jobs.fetch(Consumer::Poison, BATCH).await?;
    let mut opened = Vec::new();
    for received in fetched {
        let (sequence, subject) = (received.sequence, received.subject.clone());
        opened.extend(opened_or_logged(
            open(jobs, received).await,
            sequence,
            &subject,
        ));
    }
    if opened.is_empty() {
        look_into_idle_lanes(jobs).await?;
    }
    Ok(opened)
}

/// Being handed over as poison is no delivery to work, and is not counted.
async fn open(jobs: &JobStore, received: DeliveredMessage) -> Result<Option<TakenJob>, QueueError> {
    let subject = jobs.connection.names().parse_job(&received.subject);
    match (messages::decode_job(&received.payload), subject) {
        (Message::Job(job), Some(subject)) => Ok(Some(TakenJob {
            job: traced(*job, &received),
            lane: subject.lane,
            deliveries: earlier_deliveries(&received),
            received,
        })),
        (Message::Unknown(unknown), _) => {
            tracing::warn!(%unknown, "left poison to a program that knows it");
            Ok(None)
        }
        (Message::Undecodable(reason), _) => jobs.bury(&received, reason).await.map(|()| None),
        (Message::Job(_), None) => {
            let reason = no_subject(&received);
            jobs.bury(&received, reason).await.map(|()| None)
        }
    }
}

/// Where a worker died and no other asks for jobs, its job stays unseen. So wherever nothing new waits in a lane, and
/// something was delivered, this looks as a worker would, and gives back what is no poison.
async fn look_into_idle_lanes(jobs: &JobStore) -> Result<(), QueueError> {
    for lane in Lane::ALL {
        let state = jobs.connection.consumer_state(Consumer::Lane(lane)).await?;
        if state.num_pending == 0 && state.num_ack_pending > 0 {
            for opened in jobs.look(&[lane], BATCH).await? {
                if let Err(error) = jobs.give_back(&opened).await {
                    tracing::warn!(%error, job = %opened.job.job_id, "could not give back a job: it comes again in time");
                }
            }
        }
    }
    Ok(())
}
