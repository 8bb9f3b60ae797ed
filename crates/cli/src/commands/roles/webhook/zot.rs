//! Events that zot publishes to NATS (`extensions.events`, sink `nats`).

use axum::http::HeaderMap;
use clap::Args;
use image_sync_catalog::config_file::registry_host;
use image_sync_shared::config::webhooks::Sender;
use image_sync_webhook::ledger::Outcome;
use image_sync_webhook::receive::{Received, Receiver};
use image_sync_webhook::senders;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::process::exit::Problem;
use crate::run::connection::OpenQueue;

/// Those that share a subject: each event comes to one of them.
const GROUP: &str = "image-sync-webhook";

/// Options of events from NATS.
#[derive(Args, Clone, Debug)]
pub(super) struct ZotArgs {
    /// Take the events that zot publishes to this subject of the NATS server, as in zot.events
    #[arg(long, value_name = "SUBJECT", requires = "zot_registry")]
    zot_events: Option<String>,
    /// The host of that zot, as sources have it: its events do not say it
    #[arg(long, value_name = "HOST", value_parser = registry_host, requires = "zot_events")]
    zot_registry: Option<String>,
}

impl ZotArgs {
    pub(super) fn is_none(&self) -> bool {
        self.zot_events.is_none()
    }

    /// Takes events until `stop` is cancelled. Who may publish to the subject is a matter of the NATS server.
    pub(super) async fn listen(
        &self,
        queue: &OpenQueue,
        receiver: &Receiver,
        stop: &CancellationToken,
    ) -> Result<(), Problem> {
        let Some(subject) = &self.zot_events else {
            return Ok(());
        };
        let subscribed = queue.subscribe(subject, GROUP).await;
        let mut events = subscribed.map_err(Problem::not_carried_out)?;
        info!(subject, "taking the events of zot");
        while let Some(event) = stop.run_until_cancelled(events.next()).await {
            self.take(&event, receiver).await;
        }
        Ok(())
    }

    /// An event that cannot be stored now is tried again by who stores, and not sent again by zot.
    async fn take(&self, event: &[u8], receiver: &Receiver) {
        let delivery = match senders::read(Sender::Zot, &HeaderMap::new(), event) {
            Ok(delivery) => delivery,
            Err(error) => {
                let why = error.to_string();
                warn!(error = why, "no event of zot");
                return receiver.refused(Sender::Zot, Outcome::Unreadable, &why);
            }
        };
        let registry = self.zot_registry.as_deref();
        if let Received::NotStored(why) = receiver.receive(Sender::Zot, registry, delivery).await {
            warn!(why, "an event of zot is not stored yet");
        }
    }
}
