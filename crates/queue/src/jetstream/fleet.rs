//! What members of the fleet tell each other: messages that no stream keeps (NATS, "Core NATS").

use async_nats::Message;
use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::fleet::{Asked, Fleet, Presence, Told};
use tokio::time::Instant;

use crate::jetstream::client::Connection;
use crate::jetstream::streams::Subscription;
use crate::messages::{decode_presence, encode_presence};

/// Passes on what is asked and told.
pub(crate) struct JetStreamFleet {
    connection: Connection,
    /// What was not allowed since then is not tried again and again.
    since: Instant,
}

impl JetStreamFleet {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            since: Instant::now(),
        }
    }

    /// Sends what nobody acknowledges.
    async fn send(&self, subject: String, payload: Vec<u8>) -> Result<(), QueueError> {
        self.allowed(&subject)?;
        let client = self.connection.client().await?;
        let sent = client.publish(subject, payload.into()).await;
        sent.map_err(|error| QueueError::Unreachable(error.to_string()))
    }

    /// The server says that something is not allowed a moment after it was sent.
    fn allowed(&self, subject: &str) -> Result<(), QueueError> {
        let events = self.connection.events();
        match events.missing_permission(subject, self.since) {
            Some(permission) => Err(permission.missing()),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Fleet for JetStreamFleet {
    async fn ask(&self) -> Result<(), QueueError> {
        let names = self.connection.names();
        // Who does not hear the answers would take all for absent.
        self.allowed(&names.members())?;
        self.send(names.fleet_asks(), Vec::new()).await?;
        self.connection.flush().await
    }

    async fn asked(&self) -> Result<Box<dyn Asked>, QueueError> {
        let asks = self.connection.names().fleet_asks();
        let asks = self.connection.subscribe_alone(&asks).await?;
        Ok(Box::new(Asks(asks)))
    }

    async fn tell(&self, presence: &Presence) -> Result<(), QueueError> {
        let names = self.connection.names();
        let subject = names.member(presence.duty, &presence.about.name);
        let limit = self
            .connection
            .max_payload_beside(&async_nats::HeaderMap::new());
        let payload = encode_presence(&presence.about, limit)?;
        self.send(subject, payload).await
    }

    async fn listen(&self) -> Result<Box<dyn Told>, QueueError> {
        let members = self.connection.names().members();
        Ok(Box::new(Members {
            messages: self.connection.subscribe_alone(&members).await?,
            connection: self.connection.clone(),
        }))
    }
}

/// Hears when somebody asks.
struct Asks(Subscription);

#[async_trait]
impl Asked for Asks {
    async fn next(&mut self) {
        self.0.receive().await;
    }
}

/// Hears what members tell.
struct Members {
    messages: Subscription,
    connection: Connection,
}

impl Members {
    fn read(&self, message: &Message) -> Result<Presence, String> {
        let duty = self.connection.names().duty_of(&message.subject);
        Ok(Presence {
            duty: duty.ok_or("a duty that is not known")?,
            about: decode_presence(&message.payload)?,
        })
    }
}

#[async_trait]
impl Told for Members {
    async fn next(&mut self) -> Presence {
        loop {
            let message = self.messages.receive().await;
            match self.read(&message) {
                Ok(presence) => return presence,
                // Anybody with a worker's password may have written it, again and again.
                Err(why) => tracing::debug!(why, "what a member tells is not understood"),
            }
        }
    }
}
