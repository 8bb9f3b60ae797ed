//! Messages of a subject that is nobody's stream, as other programs publish them.

use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt as _;
use image_sync_shared::ports::QueueError;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::time::sleep;

use crate::jetstream::client::{Connection, Retries};

/// The wait before a subject is subscribed to again that could not be.
const AGAIN: Duration = Duration::from_secs(5);

/// A subject, perhaps shared with others of the same group: then each message comes to one of them. It comes at most once.
pub struct Subscription {
    connection: Connection,
    subject: String,
    group: Option<String>,
    /// None where it has to be subscribed to.
    messages: Option<Subscriber>,
}

impl Connection {
    /// Subscribes to `subject` as one of `group`.
    pub async fn subscribe(&self, subject: &str, group: &str) -> Result<Subscription, QueueError> {
        self.subscribe_as(subject, Some(group.to_owned())).await
    }

    /// Subscribes to `subject`, whoever else does.
    pub(crate) async fn subscribe_alone(&self, subject: &str) -> Result<Subscription, QueueError> {
        self.subscribe_as(subject, None).await
    }

    async fn subscribe_as(
        &self,
        subject: &str,
        group: Option<String>,
    ) -> Result<Subscription, QueueError> {
        let mut subscription = Subscription {
            connection: self.clone(),
            subject: subject.to_owned(),
            group,
            messages: None,
        };
        subscription.open().await?;
        Ok(subscription)
    }
}

impl Subscription {
    async fn open(&mut self) -> Result<(), QueueError> {
        let client = self.connection.client().await?;
        let subject = self.subject.clone();
        let messages = match self.group.clone() {
            Some(group) => client.queue_subscribe(subject, group).await,
            None => client.subscribe(subject).await,
        };
        let refused = |error: async_nats::client::SubscribeError| {
            QueueError::Refused(format!("cannot subscribe to {}: {error}", self.subject))
        };
        self.messages = Some(messages.map_err(refused)?);
        // Whoever publishes after this is heard: the server answers after it has taken the subscription in, and a flush says but that
        // it was sent.
        let nothing = json!({});
        let answer = self
            .connection
            .api::<IgnoredAny>("INFO", &nothing, Retries::None);
        answer.await.map(drop)
    }

    /// The next message. What is published while there is no connection is lost: its sender does not keep it.
    pub async fn next(&mut self) -> Vec<u8> {
        self.receive().await.payload.to_vec()
    }

    /// The same, with its subject.
    pub(crate) async fn receive(&mut self) -> Message {
        loop {
            if let Some(messages) = &mut self.messages
                && let Some(message) = messages.next().await
            {
                return message;
            }
            // The client that it was made with has died.
            self.messages = None;
            if let Err(error) = self.open().await {
                tracing::debug!(%error, subject = self.subject, "not subscribed yet");
                sleep(AGAIN).await;
            }
        }
    }
}
