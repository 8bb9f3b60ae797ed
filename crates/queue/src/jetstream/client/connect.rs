//! Connecting to a NATS server.

use std::sync::{Arc, Mutex};

use image_sync_shared::ports::QueueError;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::connect_error::ConnectError;
use super::connection::{Connection, PAUSE, Retries, Shared};
use super::events::Events;
use super::health::Health;
use super::live_client::LiveClient;
use super::servers;
use super::settings::ConnectSettings;
use crate::jetstream::names::Names;

/// JetStream is there, but has no leader yet.
const CLUSTER_NOT_READY: u32 = 10_008;

impl Connection {
    /// Connects, and makes sure that JetStream is there. A server that is away now is an error after `connect_timeout`; one
    /// that goes away later is waited for.
    pub async fn open(settings: ConnectSettings) -> Result<Self, ConnectError> {
        let (start, patience) = (Instant::now(), settings.connect_timeout);
        let mut is_told = false;
        loop {
            let error = match Box::pin(Self::open_now(settings.clone())).await {
                Err(error) if error.may_pass() && start.elapsed() < patience => error,
                opened => return opened,
            };
            if !std::mem::replace(&mut is_told, true) {
                tracing::warn!(%error, "waiting for NATS, for up to {} s", patience.as_secs());
            }
            let left = patience.saturating_sub(start.elapsed());
            sleep(left.min(PAUSE)).await;
        }
    }

    async fn open_now(settings: ConnectSettings) -> Result<Self, ConnectError> {
        let (addresses, _) = servers::parse(&settings.servers)?;
        let places = servers::places(&addresses);
        let names = Names::new(settings.prefix.clone());
        let events = Arc::new(Events::new(names.fleet()));
        let shared = Shared {
            names,
            request_timeout: settings.request_timeout,
            outage: settings.outage,
            client: LiveClient::connect(settings, Arc::clone(&events)).await?,
            events,
            server_time: Arc::default(),
            health: Health::default(),
            cut_short: Mutex::default(),
            taking_out: tokio::sync::Mutex::default(),
        };
        let connection = Self {
            shared: Arc::new(shared),
        };
        connection.check_for_jetstream(&places).await?;
        Ok(connection)
    }

    async fn check_for_jetstream(&self, places: &str) -> Result<(), ConnectError> {
        let answer = self
            .api::<IgnoredAny>("INFO", &json!({}), Retries::None)
            .await;
        let why = match answer {
            Ok(Ok(IgnoredAny)) => return Ok(()),
            Ok(Err(refusal)) if refusal.err_code == CLUSTER_NOT_READY => {
                let error = refusal.refusing("JetStream");
                return Err(ConnectError::Queue(error));
            }
            Ok(Err(refusal)) => refusal.description,
            Err(QueueError::Unreachable(_)) if !self.is_jetstream_listening().await => {
                "nobody answers to $JS.API.INFO".to_owned()
            }
            Err(error) => return Err(ConnectError::Queue(error)),
        };
        Err(ConnectError::NoJetStream {
            servers: places.to_owned(),
            why,
        })
    }

    /// A server without JetStream says at once that nobody listens.
    async fn is_jetstream_listening(&self) -> bool {
        let Ok(client) = self.client().await else {
            return true;
        };
        let asked = client.request("$JS.API.INFO", "".into()).await;
        !asked.is_err_and(|error| error.kind() == async_nats::RequestErrorKind::NoResponders)
    }
}
