//! Fetching from a consumer of jobs what is there now.
//!
//! Every request to a consumer asks for what it has at this moment (`no_wait`) and is over when that has come. No request
//! waits at the server: one that did could be answered after whoever asked has gone, and the message would be lost until
//! its time is up, counted as delivered. This also keeps clear of faults that servers had with waiting requests.

use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt as _;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::jetstream::client::{Connection, Retries};
use crate::jetstream::names::Consumer;
use crate::jetstream::streams::DeliveredMessage;

/// How long a consumer may take to say what it has. Where another client took the last messages meanwhile, old servers
/// say nothing.
const ANSWER: Duration = Duration::from_millis(500);

/// How a consumer's answer ended.
enum FetchEnd {
    /// All that was asked for came, or the consumer said that there is no more.
    Complete,
    /// Nothing came any more.
    TimedOut,
    /// The connection was cut, perhaps by what came.
    Disconnected,
}

/// What a consumer tells of itself.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct ConsumerState {
    /// Messages that were never delivered.
    pub(super) num_pending: u64,
    /// Messages that were delivered and not acknowledged.
    pub(super) num_ack_pending: u64,
    /// How far it has delivered.
    pub(crate) delivered: ConsumerPlace,
    /// Up to where all that was delivered is acknowledged.
    pub(super) ack_floor: ConsumerPlace,
}

/// How far a consumer has come.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct ConsumerPlace {
    /// A place in the stream.
    pub(super) stream_seq: u64,
}

impl Connection {
    /// Up to `max` messages that `consumer` has now. Where the connection is cut meanwhile, that is noted of the consumer.
    pub(crate) async fn fetch(
        &self,
        consumer: Consumer,
        max: usize,
    ) -> Result<Vec<DeliveredMessage>, QueueError> {
        let start = Instant::now();
        let mut connections = self.events().connections();
        let client = self.client().await?;
        let inbox = client.new_inbox();
        let cut = |error: &dyn std::fmt::Display| QueueError::Unreachable(error.to_string());
        let mut answers = client
            .subscribe(inbox.clone())
            .await
            .map_err(|error| cut(&error))?;
        let subject = self.next_subject(consumer);
        let body = json!({ "batch": max, "no_wait": true }).to_string();
        client
            .publish_with_reply(subject.clone(), inbox, body.into())
            .await
            .map_err(|error| cut(&error))?;
        let mut fetched = Vec::new();
        match receive(&mut answers, max, &mut fetched, &mut connections).await {
            FetchEnd::Complete => return Ok(fetched),
            FetchEnd::TimedOut => receive_the_rest(&mut answers, &mut fetched).await,
            FetchEnd::Disconnected => {
                // What it sent may be what cut the connection: before it is asked again, that is looked for (see
                // `unparsable`).
                lock(&self.shared.cut_short).push(consumer);
                return Ok(fetched);
            }
        }
        // The event of the cut may be yet to come.
        if !self.is_connected() {
            lock(&self.shared.cut_short).push(consumer);
        }
        if fetched.is_empty() {
            self.explain_silence(consumer, &subject, start).await?;
        }
        Ok(fetched)
    }

    /// What `consumer` tells of itself.
    pub(super) async fn consumer_state(
        &self,
        consumer: Consumer,
    ) -> Result<ConsumerState, QueueError> {
        let (stream, consumer) = (self.names().jobs(), consumer.name());
        let subject = format!("CONSUMER.INFO.{stream}.{consumer}");
        let state = self.api(&subject, &json!({}), Retries::None).await?;
        state.map_err(|error| {
            if error.is_not_found() {
                QueueError::Refused(format!(
                    "consumer {consumer} of stream {stream} is missing: run `image-sync provision`"
                ))
            } else {
                error.refusing(&format!("consumer {consumer} of stream {stream}"))
            }
        })
    }

    fn next_subject(&self, consumer: Consumer) -> String {
        let (stream, consumer) = (self.names().jobs(), consumer.name());
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}")
    }

    /// A consumer that is silent may have nothing, be missing, be out of reach or out of bounds.
    async fn explain_silence(
        &self,
        consumer: Consumer,
        subject: &str,
        start: Instant,
    ) -> Result<(), QueueError> {
        if let Some(permission) = self.events().missing_permission(subject, start) {
            return Err(permission.missing());
        }
        self.consumer_state(consumer).await.map(drop)
    }
}

async fn receive(
    answers: &mut Subscriber,
    max: usize,
    fetched: &mut Vec<DeliveredMessage>,
    connections: &mut watch::Receiver<u64>,
) -> FetchEnd {
    while fetched.len() < max {
        let answer = tokio::select! {
            // What came before the cut counts as delivered, and is taken first.
            biased;
            answer = timeout(ANSWER, answers.next()) => answer,
            _ = connections.changed() => return FetchEnd::Disconnected,
        };
        let message = match answer {
            Ok(Some(message)) => message,
            // The client has died, as it does of what it does not bear.
            Ok(None) => return FetchEnd::Disconnected,
            Err(_elapsed) => return FetchEnd::TimedOut,
        };
        // A status: no messages (404), others took them (408), a limit of the consumer (409), nobody there (503).
        let Some(received) = DeliveredMessage::new(message) else {
            return FetchEnd::Complete;
        };
        fetched.push(received);
    }
    FetchEnd::Complete
}

/// Takes the request back, and receives what was sent before the server knew.
async fn receive_the_rest(answers: &mut Subscriber, fetched: &mut Vec<DeliveredMessage>) {
    if answers.drain().await.is_ok() {
        while let Ok(Some(message)) = timeout(ANSWER, answers.next()).await {
            fetched.extend(DeliveredMessage::new(message));
        }
    }
}
