//! Messages of a subject that is nobody's stream, as other programs publish them.

use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt as _;
use image_sync_shared::ports::QueueError;
use tokio::time::sleep;

use crate::jetstream::client::Connection;

/// The wait before a subject is subscribed to again that could not be.
const AGAIN: Duration = Duration::from_secs(5);

/// A subject, shared with others of the same group: each message comes to one of them, at most once.
pub struct Subscription {
    connection: Connection,
    subject: String,
    group: String,
    /// None where it has to be subscribed to.
    messages: Option<Subscriber>,
}

impl Connection {
    /// Subscribes to `subject` as one of `group`.
    pub async fn subscribe(&self, subject: &str, group: &str) -> Result<Subscription, QueueError> {
        let mut subscription = Subscription {
            connection: self.clone(),
            subject: subject.to_owned(),
            group: group.to_owned(),
            messages: None,
        };
        subscription.open().await?;
        Ok(subscription)
    }
}

impl Subscription {
    async fn open(&mut self) -> Result<(), QueueError> {
        let client = self.connection.client().await?;
        let (subject, group) = (self.subject.clone(), self.group.clone());
        let messages = client.queue_subscribe(subject, group).await;
        let refused = |error: async_nats::client::SubscribeError| {
            QueueError::Refused(format!("cannot subscribe to {}: {error}", self.subject))
        };
        self.messages = Some(messages.map_err(refused)?);
        // Whoever publishes after this is heard.
        self.connection.flush().await
    }

    /// The next message. What is published while there is no connection is lost: its sender does not keep it.
    pub async fn next(&mut self) -> Vec<u8> {
        loop {
            if let Some(messages) = &mut self.messages
                && let Some(message) = messages.next().await
            {
                return message.payload.to_vec();
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
