//! Taking out of the stream of jobs what the NATS client library cannot receive (see [`parsable`]).
//!
//! A consumer that delivers such a message cuts the connection of who asked, with whatever else it delivered, and delivers
//! it again in time. So where a connection was cut while a consumer was being asked, what it may have delivered is read in
//! another way before it is asked again. What cannot be received becomes a dead letter.

use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::dead_letters::DeadLetters as _;

use super::job_store::JobStore;
use crate::jetstream::client::Retries;
use crate::jetstream::names::Consumer;
use crate::jetstream::streams::DeliveredMessage;
use crate::jetstream::streams::parsable;
use crate::jetstream::streams::{StoredMessage, delete_message, next_message};

/// How often a consumer is asked in a row while the connection is cut each time.
const TRIES: usize = 3;
/// How many messages that can be received, behind all that was delivered, end the search: where somebody publishes many
/// that cannot, not each is to cut the connection first.
const GOOD_ONES: usize = 32;
/// How many messages are looked at, at most. Between two searches others get on with their work.
const AT_MOST: usize = 10_000;

impl JobStore {
    /// Up to `max` messages that `consumer` has now.
    pub(crate) async fn fetch(
        &self,
        consumer: Consumer,
        max: usize,
    ) -> Result<Vec<DeliveredMessage>, QueueError> {
        for _ in 1..TRIES {
            Box::pin(self.remove_what_cut(consumer)).await?;
            let fetched = self.connection.fetch(consumer, max).await?;
            if !fetched.is_empty() || !self.is_cut_short(consumer) {
                return Ok(fetched);
            }
        }
        Box::pin(self.remove_what_cut(consumer)).await?;
        self.connection.fetch(consumer, max).await
    }

    /// If a connection was cut while `consumer` was asked, looks for what did it.
    async fn remove_what_cut(&self, consumer: Consumer) -> Result<(), QueueError> {
        if !self.is_cut_short(consumer) {
            return Ok(());
        }
        let shared = &self.connection.shared;
        let _turn = shared.taking_out.lock().await;
        // Whoever had the turn before may have found it.
        if !self.is_cut_short(consumer) {
            return Ok(());
        }
        match self.remove_unparsable(consumer).await {
            // Who may not look can only ask again: so this goes on as if it had been looked for.
            Err(QueueError::Refused(error)) => {
                let consumer = consumer.name();
                tracing::warn!(
                    error,
                    consumer,
                    "a message that cuts the connection could not be told from others"
                );
            }
            // After any other error the note of the cut stays, and it is looked for again.
            done => done?,
        }
        lock(&shared.cut_short).retain(|other| *other != consumer);
        Ok(())
    }

    fn is_cut_short(&self, consumer: Consumer) -> bool {
        lock(&self.connection.shared.cut_short).contains(&consumer)
    }

    async fn remove_unparsable(&self, consumer: Consumer) -> Result<(), QueueError> {
        let (connection, names) = (&self.connection, self.connection.names());
        let (stream, filter) = (names.jobs(), names.consumer_filter(consumer));
        let state = connection.consumer_state(consumer).await?;
        // From the first message that is not acknowledged on, as any that was delivered since may be the one.
        let (mut place, mut good_ones) = (state.ack_floor.stream_seq, 0);
        for _ in 0..AT_MOST {
            let next = next_message(connection, &stream, &filter, place + 1, Retries::WhileAway);
            let Some(message) = next.await? else {
                break;
            };
            place = message.sequence;
            if let Err(why) = parsable::check(&message.subject, &message.headers) {
                self.remove_one(message, why).await?;
                good_ones = 0;
            } else if place > state.delivered.stream_seq {
                good_ones += 1;
                if good_ones == GOOD_ONES {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Somebody else may do so at the same time: the letter is the same one.
    async fn remove_one(&self, message: StoredMessage, why: &str) -> Result<(), QueueError> {
        let (sequence, stream) = (message.sequence, self.connection.names().jobs());
        let reason = format!("the message cannot be received: {why}");
        let letter = self.letter_of_no_job(sequence, &message.payload, reason);
        // The letter first, as in `bury`.
        self.letters.put(letter).await?;
        delete_message(&self.connection, &stream, sequence)
            .await
            .map(drop)
    }
}
