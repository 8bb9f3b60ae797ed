//! The jobs, as the queue, its deliveries and what runs beside it share them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use image_sync_shared::panics::Panicked;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::{Clock, later};
use image_sync_shared::ports::queue::dead_letters::{DeadLetter, DeadLetters as _};
use image_sync_shared::ports::queue::job_queue::{Lane, Stored};
use image_sync_shared::run::job::Job;
use image_sync_shared::text::excerpt;
use time::OffsetDateTime;

use super::job_headers::{JobHeaders, earlier_deliveries, trace_of, traced};
use crate::jetstream::client::{Connection, Retries};
use crate::jetstream::names::{Area, Consumer, JobSubject, header_length};
use crate::jetstream::state::JetStreamDeadLetters;
use crate::jetstream::streams::Capacity;
use crate::jetstream::streams::{AckKind, DeliveredMessage};
use crate::messages::{self, MAX_RAW, Message};

/// How long a job of an unknown version or kind is held before it is offered again, perhaps to a worker that knows it.
const UNKNOWN_HOLD: Duration = Duration::from_secs(60);

/// About as much as a stream stores beside a subject, headers and a payload, in bytes.
const FRAME: usize = 48;

/// The jobs of one installation.
pub(crate) struct JobStore {
    pub(crate) connection: Connection,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) letters: JetStreamDeadLetters,
    max_deliver: u64,
    /// For new jobs.
    for_new_jobs: Capacity,
    /// For what jobs grow by as they are put back.
    for_growth: Capacity,
    /// For jobs that stand twice in the stream until they are settled where they were. Never all of it: a server that is
    /// about to be full looks at the size of a message without that of its frame, takes one that does not fit, and drops the
    /// oldest one for it, although it is told to refuse new ones.
    for_moves: Capacity,
}

/// A job that was taken.
pub(crate) struct TakenJob {
    pub(crate) job: Job,
    pub(crate) lane: Lane,
    pub(super) deliveries: u64,
    pub(crate) received: DeliveredMessage,
}

impl JobStore {
    pub(crate) fn new(
        connection: Connection,
        clock: Arc<dyn Clock>,
        letters: JetStreamDeadLetters,
        max_deliver: u64,
    ) -> Self {
        let stream = connection.names().jobs();
        Self {
            // In sixteenths of the stream: new jobs stop at its half, what grows at three quarters, and moves leave one
            // free.
            for_new_jobs: Capacity::new(
                stream.clone(),
                8,
                "the rest is kept for jobs that are put back: wait until some are worked off, or provision a larger one",
            ),
            for_growth: Capacity::new(
                stream.clone(),
                12,
                "the rest is kept for jobs that do not grow",
            ),
            for_moves: Capacity::new(stream, 15, "its last bytes are never used"),
            connection,
            clock,
            letters,
            max_deliver,
        }
    }

    /// Stores a new job.
    pub(crate) async fn publish(&self, lane: Lane, job: &Job) -> Result<Stored, QueueError> {
        self.store_job(lane, job, &self.for_new_jobs).await
    }

    /// Stores the successor of a job: without its past attempts where room is short, as jobs that grew no more have room.
    pub(super) async fn store_successor(&self, successor: &Job) -> Result<Stored, QueueError> {
        let grows = !successor.history.is_empty();
        let capacity = if grows {
            &self.for_growth
        } else {
            &self.for_moves
        };
        match self.store_job(Lane::Retry, successor, capacity).await {
            Err(QueueError::Full(error)) if grows => {
                tracing::warn!(error, job = %successor.job_id, "put back without its past attempts");
                let smaller = Job {
                    history: Vec::new(),
                    ..successor.clone()
                };
                self.store_job(Lane::Retry, &smaller, &self.for_moves).await
            }
            stored => stored,
        }
    }

    /// Stores a job in its lane, or beside it as long as it is not due.
    async fn store_job(
        &self,
        lane: Lane,
        job: &Job,
        capacity: &Capacity,
    ) -> Result<Stored, QueueError> {
        let held = job.not_before.filter(|due| *due > self.clock.now());
        let area = if held.is_some() {
            Area::Delayed
        } else {
            Area::Lane
        };
        let subject = self.connection.names().job(area, lane, job);
        let job_headers = JobHeaders {
            message_id: job.message_id(),
            not_before: held,
            deliveries: 0,
        };
        let headers = job_headers.headers(&job.trace)?;
        let payload = messages::encode_job(job, self.connection.max_payload_beside(&headers))?;
        self.store(capacity, &subject, &headers, payload.into())
            .await
    }

    /// Up to `max` jobs that can be worked now, of the first lane that has any, and then of the next ones.
    pub(crate) async fn look(
        &self,
        lanes: &[Lane],
        max: usize,
    ) -> Result<Vec<TakenJob>, QueueError> {
        let mut opened = Vec::new();
        for lane in lanes {
            let left = max.saturating_sub(opened.len());
            if left == 0 {
                break;
            }
            match self.fetch(Consumer::Lane(*lane), left).await {
                Ok(fetched) => {
                    for received in fetched {
                        opened.extend(self.open_or_log(received).await);
                    }
                }
                Err(error) if opened.is_empty() => return Err(error),
                // What was taken is worth more than the error, which will be seen by the next look.
                Err(_) => break,
            }
        }
        Ok(opened)
    }

    /// A message of a lane as a job that can be worked. What is none is put where it belongs.
    async fn open_or_log(&self, received: DeliveredMessage) -> Option<TakenJob> {
        let (sequence, subject) = (received.sequence, received.subject.clone());
        opened_or_logged(self.open(received).await, sequence, &subject)
    }

    async fn open(&self, received: DeliveredMessage) -> Result<Option<TakenJob>, QueueError> {
        let Some(subject) = self.connection.names().parse_job(&received.subject) else {
            let reason = no_subject(&received);
            return self.bury(&received, reason).await.map(|()| None);
        };
        // Each move makes another message, whose deliveries the server counts from one again.
        let deliveries = earlier_deliveries(&received).saturating_add(received.delivered);
        // Before anything looks into the message: it may be that which kills its workers.
        if deliveries > self.max_deliver {
            let area = subject.on(Area::Poison);
            tracing::warn!(
                sequence = received.sequence,
                deliveries = self.max_deliver,
                "a job was delivered too often"
            );
            return self
                .republish(&received, &area, None, self.max_deliver)
                .await
                .map(|()| None);
        }
        match messages::decode_job(&received.payload) {
            Message::Job(job) => Ok(Some(TakenJob {
                job: traced(*job, &received),
                lane: subject.lane,
                deliveries,
                received,
            })),
            Message::Unknown(unknown) => {
                tracing::warn!(%unknown, lane = subject.lane.name(), "put back a job for a worker that knows it");
                self.put_back(&received, &subject).await.map(|()| None)
            }
            Message::Undecodable(reason) => self.bury(&received, reason).await.map(|()| None),
        }
    }

    /// Holds a job that only another program knows for a while, as if it had never been taken.
    async fn put_back(
        &self,
        received: &DeliveredMessage,
        subject: &JobSubject,
    ) -> Result<(), QueueError> {
        let until = later(self.clock.now(), UNKNOWN_HOLD);
        let before =
            earlier_deliveries(received).saturating_add(received.delivered.saturating_sub(1));
        self.republish(received, &subject.on(Area::Delayed), Some(until), before)
            .await
    }

    /// Gives back what nobody wants, as if it had never been taken.
    pub(super) async fn give_back(&self, opened: &TakenJob) -> Result<(), QueueError> {
        let names = self.connection.names();
        // It has one, as it was opened by it.
        let Some(subject) = names.parse_job(&opened.received.subject) else {
            return Ok(());
        };
        self.republish(
            &opened.received,
            &subject,
            None,
            opened.deliveries.saturating_sub(1),
        )
        .await
    }

    /// Publishes a message again on `subject`, then settles it where it was. A crash in between leaves both, and whoever
    /// does this again makes no third: the id is made of the message's place in the stream, which is never another's.
    pub(super) async fn republish(
        &self,
        received: &DeliveredMessage,
        subject: &JobSubject,
        not_before: Option<OffsetDateTime>,
        deliveries: u64,
    ) -> Result<(), QueueError> {
        let job_headers = JobHeaders {
            // No job's id begins like this.
            message_id: format!("/{}", received.sequence),
            not_before,
            deliveries,
        };
        let subject = self.connection.names().job_subject(subject);
        let headers = job_headers.headers(&trace_of(received))?;
        let limit = self.connection.max_payload_beside(&headers);
        let payload = if received.payload.len() <= limit {
            received.payload.clone()
        } else {
            // It just fitted, without the headers that are added here.
            let too_large =
                format!("the message is too large to be moved, as NATS takes {limit} bytes");
            match messages::decode_job(&received.payload) {
                Message::Job(job) => messages::encode_job(&job, limit)?.into(),
                Message::Undecodable(_) => return self.bury(received, too_large).await,
                // It stays where it is, and comes again when its visibility time is over.
                Message::Unknown(_) => return Err(QueueError::Refused(too_large)),
            }
        };
        self.store(&self.for_moves, &subject, &headers, payload)
            .await?;
        self.settle(received).await
    }

    pub(super) async fn bury(
        &self,
        received: &DeliveredMessage,
        reason: String,
    ) -> Result<(), QueueError> {
        let letter = self.letter_of_no_job(received.sequence, &received.payload, reason);
        // The letter first. After a crash in between it is written again, under the same id, which is made of the
        // place.
        self.letters.put(letter).await?;
        self.settle(received).await
    }

    /// The letter of a message that is no job.
    pub(super) fn letter_of_no_job(
        &self,
        sequence: u64,
        payload: &[u8],
        reason: String,
    ) -> DeadLetter {
        tracing::warn!(
            reason,
            sequence,
            "made a dead letter of a message that is no job"
        );
        let shown = &payload[..payload.len().min(MAX_RAW)];
        DeadLetter {
            id: format!("undecodable-{sequence}"),
            died_at: self.clock.now(),
            reason,
            job: None,
            raw: Some(String::from_utf8_lossy(shown).into_owned()),
        }
    }

    async fn settle(&self, received: &DeliveredMessage) -> Result<(), QueueError> {
        let acker = received.acker();
        acker
            .ack(&self.connection, AckKind::Ack, Retries::WhileAway)
            .await
    }

    async fn store(
        &self,
        capacity: &Capacity,
        subject: &str,
        headers: &async_nats::HeaderMap,
        payload: Bytes,
    ) -> Result<Stored, QueueError> {
        let bytes = size(subject, headers, &payload);
        let _reserved = capacity.reserve(&self.connection, bytes).await?;
        let stored = self
            .connection
            .publish(subject, headers, payload, Retries::UntilRoom)
            .await?;
        Ok(if stored.duplicate {
            Stored::Duplicate
        } else {
            Stored::New
        })
    }
}

/// A look that panicked is one to be repeated: the messages that it took come again.
pub(super) fn panicked_in(look: &Panicked) -> QueueError {
    tracing::error!(error = %look, "a look for jobs was broken off: it is repeated");
    QueueError::Unreachable(format!("a look for jobs was broken off by {look}"))
}

/// Why a message that is a job on a subject of its own making is none.
pub(super) fn no_subject(received: &DeliveredMessage) -> String {
    format!("{} is not the subject of a job", excerpt(&received.subject))
}

/// What came of opening a message. One that cannot be put where it belongs does not stand in the way of others: it comes
/// again in time.
pub(super) fn opened_or_logged(
    opened: Result<Option<TakenJob>, QueueError>,
    sequence: u64,
    subject: &str,
) -> Option<TakenJob> {
    opened.unwrap_or_else(|error| {
        let subject = excerpt(subject);
        tracing::warn!(%error, sequence, subject, "could not put a message where it belongs: it comes again");
        None
    })
}

/// About how much a message takes in a stream, in bytes.
fn size(subject: &str, headers: &async_nats::HeaderMap, payload: &[u8]) -> u64 {
    let bytes = FRAME + subject.len() + header_length(headers) + payload.len();
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
