//! The client of a connection, which is made anew where it has died.
//!
//! The library ends with a panic of the task that holds the connection when it is sent headers that it does not bear
//! (see [`parsable`](crate::jetstream::streams::parsable)). Whoever waits for an answer then learns that there is none, and the next request
//! finds another client here.

use std::sync::{Arc, Mutex};

use async_nats::Client;
use async_nats::connection::State;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connect_error::ConnectError;
use super::events::Events;
use super::options::options;
use super::servers;
use super::settings::{Auth, ConnectSettings};

/// A client, and whether it lives.
#[derive(Clone)]
struct RunningClient {
    client: Client,
    /// Cancelled when the client's own tasks have ended: nothing that is asked of it is ever answered.
    ended: CancellationToken,
}

/// Holds the client of a connection.
pub(crate) struct LiveClient {
    settings: ConnectSettings,
    events: Arc<Events>,
    current: Mutex<RunningClient>,
    /// Held by who makes another: those that need one meanwhile wait for it.
    renewing: tokio::sync::Mutex<()>,
}

impl LiveClient {
    /// Connects for the first time.
    pub(crate) async fn connect(
        settings: ConnectSettings,
        events: Arc<Events>,
    ) -> Result<Self, ConnectError> {
        let first = make(&settings, &events).await?;
        Ok(Self {
            settings,
            events,
            current: Mutex::new(first),
            renewing: tokio::sync::Mutex::default(),
        })
    }

    /// The client as it was made last, which may have died: for what needs no answer of the server.
    pub(crate) fn last(&self) -> Client {
        lock(&self.current).client.clone()
    }

    /// Whether there is a connection at this moment.
    pub(crate) fn is_connected(&self) -> bool {
        let current = lock(&self.current);
        !current.ended.is_cancelled() && current.client.connection_state() == State::Connected
    }

    /// A client that lives. Where the last one has died another is made, once for all who need one.
    pub(crate) async fn get(&self) -> Result<Client, QueueError> {
        if let Some(client) = self.living() {
            return Ok(client);
        }
        let _turn = self.renewing.lock().await;
        // Whoever had the turn before may have made one.
        if let Some(client) = self.living() {
            return Ok(client);
        }
        tracing::warn!(
            "the NATS client broke off, as when it is sent headers that it cannot read: connecting anew"
        );
        let made = make(&self.settings, &self.events).await;
        let made = made.map_err(|error| QueueError::Unreachable(error.to_string()))?;
        let client = made.client.clone();
        *lock(&self.current) = made;
        Ok(client)
    }

    fn living(&self) -> Option<Client> {
        let current = lock(&self.current);
        (!current.ended.is_cancelled()).then(|| current.client.clone())
    }
}

/// Connects, and returns when that was told as an event: from then on each further event of the kind says that what was
/// asked before is lost.
async fn make(
    settings: &ConnectSettings,
    events: &Arc<Events>,
) -> Result<RunningClient, ConnectError> {
    let (addresses, url_auth) = servers::parse(&settings.servers)?;
    let places = servers::places(&addresses);
    let ended = CancellationToken::new();
    // The library drops what it calls with events as its tasks end, in whatever way.
    let with_the_client = ended.clone().drop_guard();
    let told = Arc::clone(events);
    let auth = match settings.auth.clone() {
        Auth::None => url_auth,
        auth => auth,
    };
    let options = options(settings, auth.clone())
        .await?
        .event_callback(move |event| {
            let _ends = &with_the_client;
            told.record(&event);
            std::future::ready(())
        });
    // Only what comes from here on can be the event of this client.
    let mut connections = events.connections();
    let client = options
        .connect(addresses)
        .await
        .map_err(|error| ConnectError::of(&places, &auth, &error))?;
    match timeout(settings.request_timeout, connections.changed()).await {
        Ok(_changed) => Ok(RunningClient { client, ended }),
        Err(_elapsed) => Err(ConnectError::Unreachable {
            servers: places,
            why: "it did not say that it is connected".to_owned(),
        }),
    }
}
